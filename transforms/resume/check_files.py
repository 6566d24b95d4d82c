"""Files of rows that earlier runs left: which of them are complete, and what they hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import apache_beam as beam
import pyarrow as pa

from transforms.errors import UserError
from transforms.resume.row_values import DECIDING, Made, is_outdated
from transforms.rows.kinds import RowKind
from transforms.rows.reader import read_rows, require_known_version
from transforms.rows.shards import Piece, Shard
from transforms.storage import files
from transforms.storage.files import digest

DISCARDED = "discarded"
"""Tag of the output of `CheckFiles` with the paths of damaged files."""


class Found(NamedTuple):
    """A file that may hold rows.

    Attributes:
        kind: of its rows.
        made: how they were made.
        folder: where it is.
        name: of the file.
        shard: what a manifest says of it, or None of a piece that no manifest knows.
    """

    kind: RowKind
    made: Made
    folder: str
    name: str
    shard: Shard | None = None


class Stored(NamedTuple):
    """A complete file of rows.

    Attributes:
        kind: of its rows.
        made: how they were made.
        piece: the file.
    """

    kind: RowKind
    made: Made
    piece: Piece

    def tables(self, *, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """Its rows, see `read_rows`."""
        return read_rows(self.piece.path, kind=self.kind, columns=columns)

    def current_rows(self, *, columns: Sequence[str]) -> Iterator[tuple[int, dict[str, Any]]]:
        """Those of its rows that are not outdated, each with its place in the file, from 0."""
        asks = self.kind is RowKind.PREDICTION and self.made.may_be_outdated
        at = 0
        for table in self.tables(columns=[*columns, *(DECIDING if asks else ())]):
            for row in table.to_pylist():
                if not (asks and is_outdated(row, self.made)):
                    yield at, row
                at += 1


class CheckFiles(beam.DoFn):  # type: ignore[misc]
    """Found to Stored, or to a discarded path if the file is not what it should be.

    That is a file which is missing, cut off, or not the one that its manifest describes. Its
    pictures have no row then and are labelled again.
    """

    def process(self, found: Found) -> Iterator[Any]:
        """Reads one file, a megabyte at a time."""
        path = files.join(found.folder, found.name)
        shard = _shard_of_piece(found, path) if found.shard is None else _intact(found.shard, path)
        if shard is None:
            yield beam.pvalue.TaggedOutput(DISCARDED, path)
        else:
            yield Stored(
                found.kind, found.made, Piece(found.folder, shard, found.shard is not None)
            )


def _intact(shard: Shard, path: str) -> Shard | None:
    try:
        return shard if digest(path) == (shard.size, shard.sha256) else None
    except FileNotFoundError:
        return None


def _shard_of_piece(found: Found, path: str) -> Shard | None:
    # Here a later version must stop the run; below it would pass for damage.
    require_known_version(path)
    try:
        rows = sum(table.num_rows for table in read_rows(path, kind=found.kind, columns=["uri"]))
    except UserError:  # the writer was killed before the footer
        return None
    return Shard(found.name, rows, *digest(path))
