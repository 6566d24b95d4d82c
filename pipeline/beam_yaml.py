"""Steps for pipelines in Beam YAML: read, label and write, rows with a schema in between."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
from apache_beam.typehints import Optional

from pipeline.labels.label_map import load_label_map
from pipeline.models.hints import InputRange
from pipeline.models.load import load_network
from pipeline.run.options import LabelOptions
from transforms import beam_internals
from transforms.errors import UsageError
from transforms.images.load_and_preprocess import LoadAndPreprocess
from transforms.images.settings import Colour, Method
from transforms.inputs import read_images
from transforms.kernel import Kernel
from transforms.network.classify_images import ClassifyImages
from transforms.network.scoring import Outputs
from transforms.records import Failure, ImageRef, Prediction
from transforms.rows import write_rows
from transforms.rows.kinds import RowKind
from transforms.rows.schema import Column

_REF = (("uri", str), ("meta", Optional[str]), ("size", Optional[int]), ("version", Optional[str]))


@beam_internals.yaml_source
@dataclasses.dataclass(eq=False)
class ReadImages(beam.PTransform):  # type: ignore[misc]
    """Lists pictures and archives; outputs rows for `LabelImages` and what `error_handling` names.

    Attributes:
        inputs: folders, globs, input lists or files.
        error_handling: as in `LabelImages`.
        image_key: as in `quantlabel label`.

    Raises:
        UsageError: `error_handling` is missing.
    """

    inputs: Sequence[str]
    error_handling: Mapping[str, str] | None = None
    image_key: str | None = None

    def __post_init__(self) -> None:
        """Checks what is given; touches no file."""
        _require_output(self)

    def expand(self, begin: beam.pvalue.PBegin) -> dict[str, beam.PCollection[Any]]:
        """Builds the graph, as a run of `quantlabel label` has it."""
        read = begin | read_images.ReadImages(self.inputs, image_key=self.image_key)
        return {
            "images": read.refs | "Rows" >> beam.Map(_ref_row).with_output_types(_row_type(_REF)),
            _failures_of(self): read.failures | "FailureRows" >> _rows(RowKind.FAILURE),
        }


@beam_internals.yaml_source
@dataclasses.dataclass(eq=False)
class LabelImages(beam.PTransform):  # type: ignore[misc]
    """Labels pictures; has the outputs `predictions` and the one that `error_handling` names.

    Takes rows with `uri`, and `meta`, `size` and `version` if they are there, of `ReadImages` or of
    anything else; or reads `inputs` itself. What is not described here is as in `quantlabel label`.

    Attributes:
        inputs: folders, globs, input lists or files; not with an input of rows.
        error_handling: `{"output": NAME}`, Beam YAML's own setting. It has to be there: a picture
            that cannot be labelled is a row there, and YAML insists that the output is used.

    Raises:
        UsageError: `error_handling` is missing, or a value cannot work.
    """

    inputs: Sequence[str] = ()
    error_handling: Mapping[str, str] | None = None
    model: str = LabelOptions.model
    sha256: str | None = LabelOptions.sha256
    classes: str | None = LabelOptions.classes
    outputs: Outputs | None = LabelOptions.outputs
    input_range: InputRange | None = LabelOptions.input_range
    embedding_tensor: str | None = LabelOptions.embedding_tensor
    preprocess: Method = LabelOptions.preprocess
    top_k: int = LabelOptions.top_k
    views: int = LabelOptions.views
    colour: Colour = LabelOptions.colour
    temperature: float = LabelOptions.temperature
    label_map: str | None = LabelOptions.label_map
    label_threshold: float = LabelOptions.label_threshold
    image_key: str | None = LabelOptions.image_key
    max_pixels: int = LabelOptions.max_pixels
    max_bytes: int = LabelOptions.max_bytes
    memory: int | None = LabelOptions.memory
    kernel: Kernel = LabelOptions.kernel

    def __post_init__(self) -> None:
        """Checks what is given; touches no file."""
        _require_output(self)
        self._options()

    def _options(self) -> LabelOptions:
        """The same as options of a run, which check themselves; its folders are never touched."""
        given = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        del given["error_handling"]
        return LabelOptions(**{**given, "inputs": tuple(self.inputs) or ("rows",), "output": "-"})

    def expand(self, begin: Any) -> dict[str, beam.PCollection[Any]]:
        """Builds the graph, as a run of `quantlabel label` has it."""
        options = self._options()
        network = load_network(self.model, sha256=self.sha256, hints=options.hints)
        if isinstance(begin, beam.PCollection):
            refs, unread = begin | "Refs" >> beam.Map(_ref), []
        else:
            read = begin | read_images.ReadImages(self.inputs, image_key=self.image_key)
            refs, unread = read.refs, [read.failures]
        loaded = refs | LoadAndPreprocess(
            options.preprocessing(size=network.input_size, columns=network.input_columns),
            image_key=self.image_key,
            memory=self.memory,
            kernel=self.kernel,
        )
        label_map = self.label_map and load_label_map(
            self.label_map, classes=network.classes, threshold=self.label_threshold
        )
        scoring = options.scoring(label_map or None)
        classified = loaded.images | ClassifyImages(network, scoring, kernel=self.kernel)
        failures = (*unread, loaded.failures, classified.failures) | beam.Flatten()
        return {
            "predictions": classified.predictions
            | "PredictionRows" >> _rows(RowKind.PREDICTION, no_classes=not len(network.classes)),
            _failures_of(self): failures | "FailureRows" >> _rows(RowKind.FAILURE),
        }


@dataclasses.dataclass(eq=False)
class WritePredictions(beam.PTransform):  # type: ignore[misc]
    """Writes the predictions of `LabelImages` with the file names and types of a run's.

    Attributes:
        path: the folder.
        format: as in `quantlabel label`.
    """

    path: str
    format: str = LabelOptions.format

    def expand(self, rows: beam.PCollection[Any]) -> beam.PCollection[Any]:
        """Builds the graph; the output has a row for each file."""
        records = rows | "Records" >> beam.Map(_prediction)
        return _written(records | write_rows.WritePredictions(self.path, self.format))


@dataclasses.dataclass(eq=False)
class WriteFailures(beam.PTransform):  # type: ignore[misc]
    """Writes failures with the file names and columns of a run's.

    Attributes:
        path: the folder.
    """

    path: str

    def expand(self, rows: beam.PCollection[Any]) -> beam.PCollection[Any]:
        """Builds the graph; the output has a row for each file."""
        records = rows | "Records" >> beam.Map(_failure)
        return _written(records | write_rows.WriteFailures(self.path))


def _require_output(step: ReadImages | LabelImages) -> None:
    name = type(step).__name__
    if not step.error_handling or not step.error_handling.get("output"):
        raise UsageError(
            f"{name}: error_handling is missing. Add `error_handling: {{output: failures}}` "
            f"and write {name}.failures somewhere, so that no picture is lost."
        )


def _failures_of(step: ReadImages | LabelImages) -> str:
    assert step.error_handling is not None
    return step.error_handling["output"]


def beam_type(column: Column, *, no_classes: bool = False) -> Any:
    """The type of a column in Beam's schemas, which have no list of fixed size.

    Args:
        column: of predictions or failures.
        no_classes: whether the network has none.
    """
    known = {pa.string(): str, pa.bool_(): bool}
    value = known.get(column.value_type) or column.value_type.to_pandas_dtype()
    type_ = Sequence[value] if column.is_list else value  # type: ignore[valid-type]
    nullable = column.nullable or column.of_imagenet or (no_classes and column.of_classes)
    return Optional[type_] if nullable else type_


def _row_type(fields: Sequence[tuple[str, Any]]) -> Any:
    return beam.typehints.row_type.RowTypeConstraint.from_fields(list(fields))


def _rows(kind: RowKind, *, no_classes: bool = False) -> beam.PTransform:
    fields = [(column.name, beam_type(column, no_classes=no_classes)) for column in kind.columns]
    return beam.Map(_row, [name for name, _ in fields]).with_output_types(_row_type(fields))


def _row(record: Prediction | Failure, names: list[str]) -> beam.Row:
    values = {name: getattr(record, name) for name in names}
    if "embedding" in values:
        values["embedding"] = values["embedding"].tolist()
    return beam.Row(**values)


def _ref_row(ref: ImageRef) -> beam.Row:
    return beam.Row(**{name: getattr(ref, name) for name, _ in _REF})


def _ref(row: Any) -> ImageRef:
    # A table of the user's may have none but the first, and then Beam's rows have no such field.
    others: dict[str, Any] = {name: getattr(row, name, None) for name, _ in _REF[1:]}
    return ImageRef(row.uri, **others)


def _prediction(row: Any) -> Prediction:
    values = {name: getattr(row, name) for name in Prediction._fields}
    values["embedding"] = np.asarray(values["embedding"], np.float32)
    for name in ("top_class_ids", "top_labels", "top_scores"):
        values[name] = list(values[name])
    return Prediction(**values)


def _failure(row: Any) -> Failure:
    return Failure(**{name: getattr(row, name) for name in Failure._fields})


def _written(shards: beam.PCollection[Any]) -> beam.PCollection[Any]:
    fields = [("name", str), ("rows", int)]
    as_row = beam.Map(lambda shard: beam.Row(name=shard.name, rows=shard.rows))
    return shards | "Files" >> as_row.with_output_types(_row_type(fields))
