"""MergePieces: many sorted files of rows to few, each sorted from its first row to its last."""

from __future__ import annotations

import bisect
import dataclasses
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import apache_beam as beam
import pyarrow as pa

from transforms.rows.kinds import RowKind
from transforms.rows.memory import give_back
from transforms.rows.reader import read_rows
from transforms.rows.schema import VERSION_METADATA
from transforms.rows.shards import ROWS_PER_SHARD, Piece, row_groups, write_piece

FILES_PER_SHARD = 100
"""Files that are merged, and so open, at a time; a process may have 256 open on some systems."""

# Rows that all files of a group together hold in memory, beside the row group in the making.
_ROWS_READ = 2_000

_KEPT = "kept"


@dataclasses.dataclass(eq=False)
class MergePieces(beam.PTransform):  # type: ignore[misc]
    """Merges pieces to files of up to 100,000 rows; returns PCollection[Piece].

    Shards of an earlier run stay as they are if they have the format and are at least half full, or
    if there is nothing to merge them with. Memory does not depend on how many rows there are.

    Attributes:
        folder: where the merged files go.
        kind: of the rows.
        format: of the merged files, a key of `transforms.rows.formats.FORMATS`.
        metadata: stored in the schema of Parquet files; or a side input of it, where it is not
            known before the graph runs.
    """

    folder: str
    kind: RowKind
    format: str
    metadata: Mapping[str, str] | beam.pvalue.AsSingleton = dataclasses.field(default_factory=dict)

    def expand(self, pieces: beam.PCollection[Piece]) -> beam.PCollection[Piece]:
        """Builds the graph: plan once, merge anywhere."""
        planned = (
            # Who merges with whom is decided once, in one place, from all pieces.
            pieces.pipeline
            | "Once" >> beam.Impulse()
            | "Plan"
            >> beam.ParDo(_Plan(self.format), pieces=beam.pvalue.AsList(pieces)).with_outputs(
                _KEPT, main="groups"
            )
        )
        merge = beam.ParDo(_Merge(self.folder, self.kind, self.format), metadata=self.metadata)
        # Without the grouping Beam would fuse the two, and the worker that plans would do all the
        # work.
        merged = planned.groups | "Spread" >> beam.GroupByKey() | "Merge" >> merge
        return (planned[_KEPT], merged) | "All" >> beam.Flatten()


class _Plan(beam.DoFn):  # type: ignore[misc]
    def __init__(self, format: str) -> None:
        self._format = format

    def process(self, _: bytes, pieces: list[Piece]) -> Iterator[Any]:
        stay = {piece.path for piece in pieces if self._may_stay(piece, alone=True)}
        if len(stay) < len(pieces):
            stay = {piece.path for piece in pieces if self._may_stay(piece, alone=False)}
        for piece in pieces:
            if piece.path in stay:
                yield beam.pvalue.TaggedOutput(_KEPT, piece)
        yield from enumerate(groups([piece for piece in pieces if piece.path not in stay]))

    def _may_stay(self, piece: Piece, *, alone: bool) -> bool:
        full = alone or 2 * piece.shard.rows >= ROWS_PER_SHARD
        return piece.published and full and piece.shard.name.endswith(f".{self._format}")


def groups(pieces: Iterable[Piece]) -> Iterator[list[Piece]]:
    """Pieces in groups of up to `ROWS_PER_SHARD` rows, the same for any order of `pieces`."""
    group: list[Piece] = []
    rows = 0
    for piece in sorted(pieces, key=lambda piece: (piece.shard.sha256, piece.path)):
        full = rows + piece.shard.rows > ROWS_PER_SHARD or len(group) == FILES_PER_SHARD
        if group and full:
            yield group
            group, rows = [], 0
        group.append(piece)
        rows += piece.shard.rows
    if group:
        yield group


class _Merge(beam.DoFn):  # type: ignore[misc]
    def __init__(self, folder: str, kind: RowKind, format: str) -> None:
        self._folder = folder
        self._kind = kind
        self._format = format

    def process(
        self, element: tuple[int, Iterable[list[Piece]]], metadata: Mapping[str, str]
    ) -> Iterator[Piece]:
        _, planned = element
        for group in planned:
            yield self._merge(group, metadata)

    def _merge(self, group: list[Piece], metadata: Mapping[str, str]) -> Piece:
        rows = max(20, _ROWS_READ // len(group))
        streams = [read_rows(piece.path, kind=self._kind, rows=rows) for piece in group]
        give_back()
        tables = (_ready(table, metadata) for table in row_groups(merged(streams)))
        name = f"merged-{self._kind.file_name(uuid.uuid4().hex, format=self._format)}"
        return write_piece(self._folder, name, tables, format=self._format)


def _ready(table: pa.Table, metadata: Mapping[str, str]) -> pa.Table:
    """A row group to be written, after memory that was freed goes back to the system."""
    give_back()
    return table.replace_schema_metadata({**metadata, **VERSION_METADATA})


def merged(streams: Sequence[Iterator[pa.Table]]) -> Iterator[pa.Table]:
    """Sorted streams of tables as one sorted stream, by the column `uri`."""
    heads = [head for head in map(_Head, streams) if head.advance()]
    while heads:
        # Up to here every stream has shown all of its rows.
        bound = min(head.last for head in heads)
        tables = [head.take(bound) for head in heads]
        yield tables[0] if len(tables) == 1 else pa.concat_tables(tables).sort_by("uri")
        heads = [head for head in heads if not head.is_empty or head.advance()]


class _Head:
    """The rows of a stream that are next in turn."""

    def __init__(self, stream: Iterator[pa.Table]) -> None:
        self._stream = stream

    def advance(self) -> bool:
        """Gets the next table; False at the end of the stream."""
        table = next(self._stream, None)
        if table is None:
            return False
        self._table = table
        self._uris: list[str] = table.column("uri").to_pylist()
        self._at = 0
        return True

    @property
    def last(self) -> str:
        return self._uris[-1]

    @property
    def is_empty(self) -> bool:
        return self._at == len(self._uris)

    def take(self, bound: str) -> pa.Table:
        """The rows up to `bound`, itself included."""
        start, self._at = self._at, bisect.bisect_right(self._uris, bound, self._at)
        return self._table.slice(start, self._at - start)
