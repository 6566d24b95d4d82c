"""LabelImages for pipelines written in Beam YAML: pictures in, rows with a schema out."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import apache_beam as beam
import pyarrow as pa
from apache_beam.typehints import Optional

from pipeline.models.hints import InputRange, NetworkHints
from pipeline.models.load import load_network
from pipeline.models.names import DEFAULT
from transforms import beam_internals
from transforms.errors import UsageError
from transforms.images.load_and_preprocess import LoadAndPreprocess
from transforms.images.settings import Method, Preprocessing
from transforms.inputs.read_images import ReadImages
from transforms.network.classify_images import ClassifyImages
from transforms.network.network import Outputs
from transforms.network.scoring import Scoring
from transforms.records import Failure, Prediction
from transforms.rows.kinds import RowKind
from transforms.rows.schema import Column


@beam_internals.yaml_source
@dataclasses.dataclass(eq=False)
class LabelImages(beam.PTransform):  # type: ignore[misc]
    """Labels pictures; has the outputs `predictions` and the one that `error_handling` names.

    Attributes:
        inputs: folders, globs, input lists or files.
        error_handling: `{"output": NAME}`, Beam YAML's own setting. It has to be there: a picture
            that cannot be labelled is a row there, and YAML insists that the output is used.
        model: name, path, gs:// or https:// of the network.
        classes: as in `quantlabel label`.
        outputs: as in `quantlabel label`.
        input_range: as in `quantlabel label`.
        embedding_tensor: as in `quantlabel label`.
        preprocess: as in `quantlabel label`.
        top_k: as in `quantlabel label`.

    Raises:
        UsageError: `error_handling` is missing.
    """

    inputs: Sequence[str]
    error_handling: Mapping[str, str] | None = None
    model: str = DEFAULT
    classes: str | None = None
    outputs: Outputs | None = None
    input_range: InputRange | None = None
    embedding_tensor: str | None = None
    preprocess: Method = Preprocessing.method
    top_k: int = Scoring.top_k

    def __post_init__(self) -> None:
        """Checks what is given; touches no file."""
        if not self.error_handling or not self.error_handling.get("output"):
            raise UsageError(
                "LabelImages: error_handling is missing. Add `error_handling: {output: failures}` "
                "and write LabelImages.failures somewhere, so that no picture is lost."
            )

        _ = self._hints  # checks its values

    @property
    def _hints(self) -> NetworkHints:
        return NetworkHints(
            classes=self.classes,
            outputs=self.outputs,
            input_range=self.input_range,
            embedding_tensor=self.embedding_tensor,
        )

    def expand(self, begin: beam.pvalue.PBegin) -> dict[str, beam.PCollection[Any]]:
        """Builds the graph, as a run of `quantlabel label` has it."""
        network = load_network(self.model, hints=self._hints)
        read = begin | ReadImages(self.inputs)
        loaded = read.refs | LoadAndPreprocess(size=network.input_size, method=self.preprocess)
        classified = loaded.images | ClassifyImages(network, top_k=self.top_k)
        failures = (read.failures, loaded.failures, classified.failures) | beam.Flatten()
        assert self.error_handling is not None
        return {
            "predictions": classified.predictions | "PredictionRows" >> _rows(RowKind.PREDICTION),
            self.error_handling["output"]: failures | "FailureRows" >> _rows(RowKind.FAILURE),
        }


def beam_type(column: Column) -> Any:
    """The type of a column in Beam's schemas."""
    known = {pa.string(): str, pa.bool_(): bool}
    value = known.get(column.value_type) or column.value_type.to_pandas_dtype()
    type_ = Sequence[value] if column.is_list else value  # type: ignore[valid-type]
    return type_ if column.is_required else Optional[type_]


def _rows(kind: RowKind) -> beam.PTransform:
    fields = [(column.name, beam_type(column)) for column in kind.columns]
    schema = beam.typehints.row_type.RowTypeConstraint.from_fields(fields)
    return beam.Map(_row, [name for name, _ in fields]).with_output_types(schema)


def _row(record: Prediction | Failure, names: list[str]) -> beam.Row:
    values = {name: getattr(record, name) for name in names}
    if "embedding" in values:
        values["embedding"] = values["embedding"].tolist()
    return beam.Row(**values)
