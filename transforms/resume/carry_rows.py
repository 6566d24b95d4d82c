"""CarryRows: rows that stay, file by file: a file as it is, or the wanted rows as new pieces."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import apache_beam as beam
import pyarrow as pa

from transforms.bundles import unpack
from transforms.resume.check_files import Stored
from transforms.rows.kinds import RowKind
from transforms.rows.reader import schema_version
from transforms.rows.schema import ROW_SCHEMA_VERSION
from transforms.rows.shards import Piece, row_groups
from transforms.rows.stage_rows import stage_piece

REWRITTEN = ("uri", "size", "version", "meta")
"""Columns that say which picture a row is about; the rest follows from its content."""

_FAILURES = RowKind.FAILURE.value


class Carried(NamedTuple):
    """What `CarryRows` returns: the wanted rows as PCollection[Piece], predictions and failures."""

    predictions: beam.PCollection[Piece]
    failures: beam.PCollection[Piece]


@dataclasses.dataclass(eq=False)
class CarryRows(beam.PTransform):  # type: ignore[misc]
    """Takes rows out of files, without a look at any file of which all rows are wanted.

    Takes a dict with `files`: PCollection[Stored], and `wanted`: PCollection of (path of a file,
    pack of [row, None or the new values of `REWRITTEN`]).

    Attributes:
        folder: where new pieces go.
    """

    folder: str

    def expand(self, inputs: dict[str, beam.PCollection[Any]]) -> Carried:
        """Builds the graph: group by file, then file by file."""
        files = inputs["files"] | "By path" >> beam.Map(_with_path)
        carried = (
            {"files": files, "wanted": inputs["wanted"]}
            | "Group" >> beam.CoGroupByKey()
            | "Carry"
            >> beam.ParDo(_Carry(self.folder)).with_outputs(
                _FAILURES, main=RowKind.PREDICTION.value
            )
        )
        return Carried(carried.predictions, carried[_FAILURES])


def _with_path(stored: Stored) -> tuple[str, Stored]:
    return stored.piece.path, stored


class _Carry(beam.DoFn):  # type: ignore[misc]
    def __init__(self, folder: str) -> None:
        self._folder = folder

    def process(self, element: tuple[str, dict[str, Iterable[Any]]]) -> Iterator[Any]:
        _, found = element
        (stored,) = found["files"]
        # By the row alone: what stands beside it may be None, which cannot be compared.
        wanted = sorted(unpack(found["wanted"]), key=_row)
        if not wanted:
            return
        for piece in self._pieces(stored, wanted):
            yield (
                piece
                if stored.kind is RowKind.PREDICTION
                else beam.pvalue.TaggedOutput(_FAILURES, piece)
            )

    def _pieces(self, stored: Stored, wanted: list[list[Any]]) -> Iterator[Piece]:
        if _is_everything(wanted, rows=stored.piece.shard.rows) and not _is_older(stored):
            yield stored.piece
            return
        for table in row_groups(chosen(stored.tables(), wanted)):
            # Sorted again: a picture may have another uri now.
            yield stage_piece(self._folder, stored.kind, [table.sort_by("uri")])


def _is_older(stored: Stored) -> bool:
    """Whether the file lacks columns: all files of a run have the same ones."""
    version = schema_version(stored.piece.path)
    return version is not None and version < ROW_SCHEMA_VERSION


def _row(wanted: Sequence[Any]) -> int:
    row: int = wanted[0]
    return row


def _is_everything(wanted: Sequence[Sequence[Any]], *, rows: int) -> bool:
    return len(wanted) == rows and all(
        row == at and changes is None for at, (row, changes) in enumerate(wanted)
    )


def chosen(tables: Iterable[pa.Table], wanted: Sequence[Sequence[Any]]) -> Iterator[pa.Table]:
    """The wanted rows of a file, with what is new about their pictures.

    Args:
        tables: of the file, in order.
        wanted: [row, None or the new values of `REWRITTEN`], in order of row; a row may come twice.
    """
    start = at = 0
    for table in tables:
        end = at
        while end < len(wanted) and wanted[end][0] < start + table.num_rows:
            end += 1
        if end > at:
            rows = pa.array([row - start for row, _ in wanted[at:end]])
            yield _rewritten(table.take(rows), [changes for _, changes in wanted[at:end]])
        start, at = start + table.num_rows, end


def _rewritten(table: pa.Table, changes: Sequence[Sequence[Any] | None]) -> pa.Table:
    new: Mapping[int, Sequence[Any]] = {
        at: values for at, values in enumerate(changes) if values is not None
    }
    if not new:
        return table
    for column, name in enumerate(REWRITTEN):
        values = table.column(name).to_pylist()
        for at, of_row in new.items():
            values[at] = of_row[column]
        field = table.schema.field(name)
        table = table.set_column(
            table.schema.get_field_index(name), field, pa.array(values, field.type)
        )
    return table
