"""Steps for pipelines in Beam YAML: read, label and write, rows with a schema in between."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
from apache_beam.pvalue import AsDict, AsList, AsSingleton
from apache_beam.typehints import Optional

from pipeline.labels.label_map import load_label_map
from pipeline.models.hints import InputRange
from pipeline.models.load import load_network
from pipeline.run.folder import attempts, ledger
from pipeline.run.folder.manifest import Identity, from_json
from pipeline.run.identity import identity_of
from pipeline.run.options import LabelOptions
from transforms import beam_internals
from transforms.errors import UsageError, UserError
from transforms.images.load_and_preprocess import LoadAndPreprocess
from transforms.images.settings import Colour, Method
from transforms.inputs import read_images
from transforms.inputs.skips import Count, joined
from transforms.kernel import Kernel
from transforms.network.classify_images import ClassifyImages
from transforms.network.scoring import Outputs
from transforms.records import Failure, ImageRef, Prediction
from transforms.rows import write_rows
from transforms.rows.kinds import Outcome, RowKind
from transforms.rows.merge_pieces import MergePieces
from transforms.rows.schema import Column
from transforms.rows.shards import Piece
from transforms.rows.stage_rows import StageRows
from transforms.storage import files

_REF = (("uri", str), ("meta", Optional[str]), ("size", Optional[int]), ("version", Optional[str]))

_ROWS = "beam://rows"
"""What a manifest has for inputs where the rows of another step were labelled."""

_LEDGER = (("what", str), ("name", str), ("count", int), ("example", str))
"""What `WriteRun` has to know besides the rows: partial counts, by kind and name."""

_TALLY, _SKIPPED, _NOTE, _INPUT, _RUN = "tally", "skipped", "note", "input", "run"
"""Kinds of its rows. The name of the last is what `_RUN.json` says, that of an input its path."""


@beam_internals.yaml_source
@dataclasses.dataclass(eq=False)
class ReadImages(beam.PTransform):  # type: ignore[misc]
    """Lists pictures and archives.

    Has the outputs `images`, rows for `LabelImages`; `ledger`, for `WriteRun`; and the one that
    `error_handling` names.

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
            "ledger": _listed(begin, self.inputs, read) | "Ledger" >> beam.Flatten(),
        }


@beam_internals.yaml_source
@dataclasses.dataclass(eq=False)
class LabelImages(beam.PTransform):  # type: ignore[misc]
    """Labels pictures.

    Has the outputs `predictions`; `ledger`, for `WriteRun`; and the one that `error_handling`
    names.

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
    quality: bool = LabelOptions.quality
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
        return LabelOptions(**{**given, "inputs": tuple(self.inputs) or (_ROWS,), "output": "-"})

    def expand(self, begin: Any) -> dict[str, beam.PCollection[Any]]:
        """Builds the graph, as a run of `quantlabel label` has it."""
        options = self._options()
        network = load_network(self.model, sha256=self.sha256, hints=options.hints)
        options = options.for_network(len(network.classes))
        if isinstance(begin, beam.PCollection):
            refs, unread = begin | "Refs" >> beam.Map(_ref), []
            given = refs | "Count given" >> beam.combiners.Count.Globally()
            listed = [given | "Given" >> beam.Map(_given).with_output_types(_row_type(_LEDGER))]
        else:
            read = begin | read_images.ReadImages(self.inputs, image_key=self.image_key)
            refs, unread = read.refs, [read.failures]
            listed = _listed(begin, self.inputs, read)
        loaded = refs | LoadAndPreprocess(
            options.preprocessing(size=network.input_size, columns=network.input_columns),
            image_key=self.image_key,
            memory=self.memory,
            kernel=self.kernel,
        )
        label_map = self.label_map and load_label_map(
            self.label_map, classes=network.classes, threshold=self.label_threshold
        )
        identity = identity_of(options, network, label_map or None)
        classified = loaded.images | ClassifyImages(network, identity.scoring, kernel=self.kernel)
        about = json.dumps(identity.as_dict())
        counted = [
            *listed,
            *_counted("Loaded", loaded),
            begin.pipeline | "About" >> beam.Create([_ledger_row(_RUN, about)], reshuffle=False),
        ]
        failures = (*unread, loaded.failures, classified.failures) | beam.Flatten()
        return {
            "predictions": classified.predictions
            | "PredictionRows" >> _rows(RowKind.PREDICTION, no_classes=not len(network.classes)),
            _failures_of(self): failures | "FailureRows" >> _rows(RowKind.FAILURE),
            "ledger": counted | "Ledger" >> beam.Flatten(),
        }


@dataclasses.dataclass(eq=False)
class WriteRun(beam.PTransform):  # type: ignore[misc]
    """Writes the folder of a run: the files, the manifest and the marker of `quantlabel label`.

    Takes `predictions`, `failures` and `ledger`: what `LabelImages`, and `ReadImages` if there is
    one, have as outputs of these names.

    Attributes:
        path: the folder.
        format: as in `quantlabel label`.
        overwrite: as there.
        max_failure_rate: as there.

    Raises:
        UsageError: a value cannot work.
    """

    path: str
    format: str = LabelOptions.format
    overwrite: bool = LabelOptions.overwrite
    max_failure_rate: float = LabelOptions.max_failure_rate

    def __post_init__(self) -> None:
        """Checks what is given; touches no file."""
        LabelOptions(inputs=(_ROWS,), output=self.path, **self._given())

    def _given(self) -> dict[str, Any]:
        names = ("format", "overwrite", "max_failure_rate")
        return {name: getattr(self, name) for name in names}

    def expand(self, parts: Mapping[str, beam.PCollection[Any]]) -> beam.PCollection[Any]:
        """Builds the graph; the output has a row for each file.

        Raises:
            UserError: an input is missing, or a finished run is in the folder.
        """
        expected = ("predictions", "failures", "ledger")
        if not isinstance(parts, Mapping) or set(parts) != set(expected):
            raise UsageError(f"WriteRun: expected the inputs {', '.join(expected)}, by these names")
        files.require_access(self.path, what=f"WriteRun: {self.path}")
        ledger.check_writable(self.path, replace=self.overwrite)
        attempt = attempts.new(self.path)
        known = (
            parts["ledger"]
            | "Pairs" >> beam.Map(_pair)
            | "Sum" >> beam.CombinePerKey(joined)
            | "Together" >> beam.combiners.ToList()
            | "Known" >> beam.Map(_known, changes={**self._given(), "output": self.path})
        )
        metadata = known | "Metadata" >> beam.Map(_metadata)
        records = {
            RowKind.PREDICTION: parts["predictions"] | "Predictions" >> beam.Map(_prediction),
            RowKind.FAILURE: parts["failures"] | "Failures" >> beam.Map(_failure),
        }
        formats = {kind: kind.default_format for kind in RowKind} | {
            RowKind.PREDICTION: self.format
        }
        staged = {
            kind: records[kind] | f"Stage {kind}" >> StageRows(attempt, kind) for kind in RowKind
        }
        merged = {
            kind: staged[kind].pieces
            | f"Merge {kind}" >> MergePieces(attempt, kind, formats[kind], AsSingleton(metadata))
            for kind in RowKind
        }
        outcomes = (
            [staged[kind].outcomes for kind in RowKind]
            | "Outcomes" >> beam.Flatten()
            | "Count" >> beam.CombinePerKey(sum)
        )
        shards = (
            parts["ledger"].pipeline
            | "End" >> beam.Impulse()
            | "Finish"
            >> beam.ParDo(
                _Finish(self.path, attempt, self.format, self.max_failure_rate),
                predictions=AsList(merged[RowKind.PREDICTION]),
                failures=AsList(merged[RowKind.FAILURE]),
                known=AsSingleton(known),
                outcomes=AsDict(outcomes),
            )
        )
        return _written(shards)


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


# ---- what the folder of a run says besides its rows ---------------------------------------------


def _ledger_row(what: str, name: str, count: int = 1, example: str = "") -> beam.Row:
    return beam.Row(what=what, name=name, count=count, example=example)


def _given(count: int) -> beam.Row:
    return _ledger_row(_TALLY, "given", count)


def _listed(begin: Any, inputs: Sequence[str], read: Any) -> list[beam.PCollection[Any]]:
    rows = [_ledger_row(_INPUT, files.absolute(source)) for source in inputs]
    named = begin.pipeline | "Inputs named" >> beam.Create(rows, reshuffle=False)
    return [named, *_counted("Read", read)]


def _counted(name: str, result: Any) -> list[beam.PCollection[Any]]:
    """The counts of `ReadImages` or `LoadAndPreprocess` as rows."""
    type_ = _row_type(_LEDGER)
    tallies = beam.MapTuple(_tally_row).with_output_types(type_)
    kinds = {_SKIPPED: result.skipped, _NOTE: result.notes}
    return [
        result.tally | f"{name} tally" >> tallies,
        *(
            counts | f"{name} {what}" >> beam.Map(_count_row, what=what).with_output_types(type_)
            for what, counts in kinds.items()
        ),
    ]


def _tally_row(name: str, count: int) -> beam.Row:
    return _ledger_row(_TALLY, name, count)


def _count_row(pair: tuple[str, Count], what: str) -> beam.Row:
    name, counted = pair
    return _ledger_row(what, name, counted.count, counted.example)


def _pair(row: Any) -> tuple[tuple[str, str], Count]:
    return (row.what, row.name), Count(row.count, row.example)


@dataclasses.dataclass(frozen=True)
class _Known:
    """A ledger added up."""

    identity: Identity
    tally: Mapping[str, int]
    skipped: Mapping[str, Count]
    notes: Mapping[str, Count]


def _known(
    counts: Iterable[tuple[tuple[str, str], Count]], *, changes: Mapping[str, Any]
) -> _Known:
    found: dict[str, dict[str, Count]] = {}
    for (what, name), count in counts:
        found.setdefault(what, {})[name] = count
    runs = list(found.get(_RUN, ()))
    if len(runs) != 1:
        raise UserError(f"WriteRun: expected the ledger of one LabelImages, not of {len(runs)}")
    identity = from_json(Identity, runs[0].encode(), "ledger")
    inputs = sorted(found.get(_INPUT, {})) or list(identity.options.inputs)
    options = dataclasses.replace(identity.options, inputs=tuple(inputs), **changes)
    tally = {name: count.count for name, count in found.get(_TALLY, {}).items()}
    given = tally.pop("given", 0)
    if not found.get(_INPUT):  # rows of anything else than `ReadImages`
        for name in ("entries", "inputs"):
            tally[name] = tally.get(name, 0) + given
    return _Known(
        dataclasses.replace(identity, options=options.for_manifest()),
        tally,
        found.get(_SKIPPED, {}),
        found.get(_NOTE, {}),
    )


def _metadata(known: _Known) -> dict[str, str]:
    return known.identity.schema_metadata


@dataclasses.dataclass(eq=False)
class _Finish(beam.DoFn):  # type: ignore[misc]
    """As `pipeline.run.folder.ledger.FinishRun`, of a run that is known when it ends."""

    path: str
    attempt: str
    format: str
    max_failure_rate: float

    def process(
        self,
        begin: bytes,
        predictions: list[Piece],
        failures: list[Piece],
        known: _Known,
        outcomes: dict[Outcome, int],
    ) -> Iterator[Any]:
        attempts.begin(self.attempt, known.identity)
        finish = ledger.FinishRun(
            self.path, self.attempt, self.format, known.identity, self.max_failure_rate
        )
        for manifest in finish.process(
            begin,
            predictions=predictions,
            failures=failures,
            tally=dict(known.tally),
            outcomes=outcomes,
            skipped=dict(known.skipped),
            notes=dict(known.notes),
            discarded=[],
            archives=[],
        ):
            yield from manifest.files
