"""StageRows: rows to sorted pieces that survive whatever happens to the run that wrote them."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import functools
import time
import uuid
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import apache_beam as beam
import pyarrow as pa

from transforms.bundles import in_window
from transforms.outage import persistently
from transforms.rows.kinds import Outcome, RowKind
from transforms.rows.memory import give_back
from transforms.rows.merge_pieces import merged
from transforms.rows.shards import PIECES, ROWS_PER_GROUP, Piece, batches, write_piece
from transforms.storage import files

CHECKPOINT_SECONDS = 10.0
"""Work that a killed run loses at most, for each of its workers."""

# Rows held as Python objects, 3 KB each, before they become Arrow memory, 1.2 KB each.
_ROWS_AS_OBJECTS = 1_000

# Rows of each table that are looked at together when a piece is written.
_ROWS_MERGED = 250

_OUTCOME = "outcome"


class Staged(NamedTuple):
    """What `StageRows` returns.

    Attributes:
        pieces: PCollection[Piece], the pieces.
        outcomes: PCollection[tuple[Outcome, int]], partial sums over the rows as they came, so that
            a row lost on its way into a piece shows.
    """

    pieces: beam.PCollection[Piece]
    outcomes: beam.PCollection[tuple[Outcome, int]]


@dataclasses.dataclass(eq=False)
class StageRows(beam.PTransform):  # type: ignore[misc]
    """Writes rows to pieces of 10,000, sorted by uri.

    Parts are Arrow files whatever the output will be: they end in a footer, so that one which was
    cut off is told from a complete one, and their batches are small, so that a merge of many holds
    little of each. A bundle that is slow to fill its piece saves what it has every
    ten seconds, each time replacing what it saved before; such a copy is not part of the result and
    is only of use to a later run, should this one die.

    Attributes:
        folder: where the pieces go.
        kind: of the rows.
    """

    folder: str
    kind: RowKind

    def expand(self, rows: beam.PCollection[Any]) -> Staged:
        """Builds the graph: one ParDo with two outputs."""
        stage = beam.ParDo(_Stage(self.folder, self.kind))
        staged = rows | "Stage" >> stage.with_outputs(_OUTCOME, main="pieces")
        return Staged(staged.pieces, staged[_OUTCOME])


class _Stage(beam.DoFn):  # type: ignore[misc]
    def __init__(self, folder: str, kind: RowKind) -> None:
        self._folder = folder
        self._kind = kind

    def setup(self) -> None:
        self._begin_piece()

    def teardown(self) -> None:
        """Leaves the rows of a bundle that was broken off to a later run."""
        if self._rows or self._tables:
            with contextlib.suppress(OSError):  # what the bundle may have failed with
                self._save(patiently=False)

    def start_bundle(self) -> None:
        self._outcomes: collections.Counter[Outcome] = collections.Counter()
        self._saved: Piece | None = None
        self._begin_piece()

    def _begin_piece(self) -> None:
        self._rows: list[Any] = []
        self._tables: list[pa.Table] = []
        self._held = 0
        self._due = time.monotonic() + CHECKPOINT_SECONDS

    def process(self, row: Any) -> Iterator[Piece]:
        self._outcomes[self._kind.outcome(getattr(row, self._kind.outcome_column))] += 1
        self._rows.append(row)
        if len(self._rows) >= _ROWS_AS_OBJECTS:
            self._to_arrow()
        if self._held >= ROWS_PER_GROUP:
            yield self._close_piece()
        elif time.monotonic() >= self._due:
            self._save()
            self._due = time.monotonic() + CHECKPOINT_SECONDS

    def finish_bundle(self) -> Iterator[Any]:
        if self._rows or self._tables:
            yield in_window(self._close_piece())
        for counted in self._outcomes.items():
            yield in_window(beam.pvalue.TaggedOutput(_OUTCOME, counted))

    def _to_arrow(self) -> None:
        if self._rows:
            self._tables.append(self._kind.table(self._rows).sort_by("uri"))
            self._held += len(self._rows)
            self._rows = []

    def _close_piece(self) -> Piece:
        piece = self._save()
        self._saved = None
        self._begin_piece()
        return piece

    def _save(self, *, patiently: bool = True) -> Piece:
        """Writes all rows that are held, and only then forgets the copy of fewer."""
        self._to_arrow()
        write = functools.partial(stage_piece, self._folder, self._kind, self._tables)
        # The run would end with the error: an outage is waited for here too.
        older, self._saved = self._saved, persistently(write) if patiently else write()
        if older is not None:
            files.delete([older.path])
        give_back()
        return self._saved


def stage_piece(folder: str, kind: RowKind, tables: Sequence[pa.Table]) -> Piece:
    """Writes tables, each sorted by uri, as one piece with a name of its own.

    They are merged a few rows at a time: sorting all of them at once would take their memory twice.
    """
    rows = batches(merged([_slices(table) for table in tables]))
    name = kind.file_name(uuid.uuid4().hex, format=PIECES)
    return write_piece(folder, name, rows, format=PIECES)


def _slices(table: pa.Table) -> Iterator[pa.Table]:
    return (table.slice(at, _ROWS_MERGED) for at in range(0, table.num_rows, _ROWS_MERGED))
