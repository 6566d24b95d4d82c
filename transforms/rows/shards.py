"""What a written file is, and how one is written: hashed, compressed, safe on disk when closed."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable, Iterator
from typing import IO, NamedTuple, cast

import pyarrow as pa

from transforms.rows.formats import FORMATS, ROWS_PER_BATCH, ArrowShard, encoded
from transforms.rows.kinds import RowKind, kind_of
from transforms.storage import files

ROWS_PER_GROUP = 10_000
"""Rows of a Parquet row group and of a piece: 12 MB of Arrow memory."""

ROWS_PER_SHARD = 100_000
"""Rows of a shard at most."""


PIECES = "arrow"
"""The format of what is not finished, and the extension of its files."""

_WRITERS = {**FORMATS, PIECES: ArrowShard}


class Shard(NamedTuple):
    """A written file.

    Attributes:
        name: of the file, in its folder.
        rows: how many it holds.
        size: bytes.
        sha256: lower-case hex digest of the file.
    """

    name: str
    rows: int
    size: int
    sha256: str

    @property
    def kind(self) -> RowKind:
        """Of its rows, told by the name."""
        return kind_of(self.name)


class Piece(NamedTuple):
    """A complete file of rows, sorted by uri, that has no final name yet.

    Attributes:
        folder: where it is.
        shard: its name there, rows, size and digest.
        published: whether it is a shard of an earlier run, in the output folder itself.
    """

    folder: str
    shard: Shard
    published: bool = False

    @property
    def path(self) -> str:
        """Where the file is."""
        return files.join(self.folder, self.shard.name)


def write_piece(
    folder: str, name: str, tables: Iterable[pa.Table], *, format: str = "parquet"
) -> Piece:
    """Writes a file.

    Args:
        folder: where to, made if it does not exist.
        name: of the file.
        tables: its rows, sorted; in Parquet each table is one row group, in pieces one batch.
        format: a key of `transforms.rows.formats.FORMATS`, or `PIECES`.
    """
    rows = 0
    with contextlib.ExitStack() as closing:
        file = closing.enter_context(files.create(files.join(folder, name)))
        hashing = _HashingFile(file)
        stream = closing.enter_context(encoded(cast("IO[bytes]", hashing), format=format))
        writer = _WRITERS[format](stream)
        for table in tables:
            writer.write(table)
            rows += table.num_rows
            del table  # before the next one is made
        # Before the file is: what ends the format counts for size and digest.
        writer.close()
    return Piece(folder, Shard(name, rows, hashing.size, hashing.digest.hexdigest()))


def row_groups(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """The same rows in tables of `ROWS_PER_GROUP`, the last one shorter.

    Each consists of chunks of `ROWS_PER_BATCH`, however the rows came: a writer takes memory by the
    chunk, and the same rows make the same file.
    """
    return _recut(batches(tables), ROWS_PER_GROUP)


def batches(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """The same rows in tables of `ROWS_PER_BATCH`, each in one chunk, the last one shorter."""
    return (table.combine_chunks() for table in _recut(tables, ROWS_PER_BATCH))


def _recut(tables: Iterable[pa.Table], most: int) -> Iterator[pa.Table]:
    """The same rows, nothing copied, in tables of so many, the last one shorter."""
    held: list[pa.Table] = []
    rows = 0
    for table in tables:
        held.append(table)
        rows += table.num_rows
        del table
        while rows >= most:
            whole = pa.concat_tables(held)
            rows -= most
            held = [whole.slice(0, most), *([whole.slice(most)] if rows else [])]
            del whole  # what is yielded is the receiver's alone, to forget
            yield held.pop(0)
    if rows:
        yield pa.concat_tables(held)


class _HashingFile:
    """A write-only file that keeps count and digest of what passes through it."""

    # pyarrow asks for this and for the three methods below `write`.
    closed = False

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.digest = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> int:
        view = memoryview(data)
        self.digest.update(view)
        self.size += view.nbytes
        return self._file.write(view)

    def tell(self) -> int:
        return self.size

    def flush(self) -> None:
        self._file.flush()

    def writable(self) -> bool:
        return True
