"""How many requests a run makes: what its code does for each picture, archive, page and piece.

`tests/pipeline/run/costs/test_against_runs.py` holds this against what runs really ask for.
"""

from __future__ import annotations

import dataclasses
import math
from typing import NamedTuple

from transforms.storage import files

PAGE = 1000
"""Names that an answer of a listing holds, in Cloud Storage as in S3."""

_CHUNK_BYTES = 8 << 20
"""What streams of all storages read at a time."""

_ROWS_A_PIECE = 10_000
_ROWS_A_SHARD = 100_000
_PIECES_A_SHARD = 100


class Asked(NamedTuple):
    """Requests to one storage.

    Attributes:
        class_a: listing, writing and copying. All parts of an upload are one.
        class_b: reading contents and properties, also of what is not there.
    """

    class_a: float = 0.0
    class_b: float = 0.0

    def plus(self, other: Asked) -> Asked:
        """Both together."""
        return Asked(self.class_a + other.class_a, self.class_b + other.class_b)

    def times(self, count: float) -> Asked:
        """So often."""
        return Asked(self.class_a * count, self.class_b * count)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stored:
    """What the inputs are in one storage.

    Attributes:
        pictures: files of their own, each read once.
        archives: read as streams.
        bytes: of pictures and archives.
        archive_bytes: of the archives.
        indexed: of the archives, those that are read from their end on: zip and Parquet.
        unsized: pictures that `bytes` leaves out, since nothing tells their sizes.
        inputs: `--input`s that lead there.
        pages: of their listings.
        spans: into which the listings are split, listed by themselves.
        lists: files that list pictures.
        list_bytes: of these.
    """

    pictures: float = 0.0
    archives: float = 0.0
    bytes: float = 0.0
    archive_bytes: float = 0.0
    indexed: float = 0.0
    unsized: float = 0.0
    inputs: int = 0
    pages: float = 0.0
    spans: int = 0
    lists: int = 0
    list_bytes: float = 0.0

    def scaled(self, factor: float) -> Stored:
        """As many more of what listings hold."""
        names = ("pictures", "archives", "bytes", "archive_bytes", "indexed", "unsized", "pages")
        return dataclasses.replace(self, **{name: getattr(self, name) * factor for name in names})

    def plus(self, other: Stored) -> Stored:
        """Both together."""
        names = [field.name for field in dataclasses.fields(self)]
        return Stored(**{name: getattr(self, name) + getattr(other, name) for name in names})


def place(uri: str) -> str:
    """The storage of an address: gs, s3, http, another scheme, or local."""
    if files.is_local(uri):
        return "local"
    return "http" if files.is_http(uri) else uri.partition("://")[0].lower()


def reading(stored: Stored) -> Asked:
    """What finding and reading the inputs takes."""
    chunks = stored.archives / 2 + stored.archive_bytes / _CHUNK_BYTES
    return Asked(
        class_a=stored.pages + (_PER_FOLDER * stored.inputs if stored.pages else 0),
        class_b=(
            stored.pictures
            + stored.archives
            + max(chunks, stored.archives)
            + _PER_INDEX * stored.indexed
            + _PER_INPUT * stored.inputs
            + _PER_SPAN * stored.spans
            + stored.lists * _PER_LIST
            + stored.list_bytes / _CHUNK_BYTES
        ),
    )


_PER_INPUT = 4
"""Before the run: is it there, what is it, and does it hold a picture? In it: what is it?"""

_PER_FOLDER = 2
"""Before the run: the first page of its listing, twice."""

_PER_INDEX = 4
"""The first bytes, which tell what it is, and three looks at its end."""

_PER_SPAN = 1
"""Is its folder one that a command of ours wrote?"""

_PER_LIST = 4
"""Its properties and its beginning, before the run and in it."""


def writing(rows: float, *, row_bytes: float, worker_hours: float) -> Asked:
    """What pieces, shards, lock and manifest of a run in a bucket take.

    Args:
        rows: of the run.
        row_bytes: of a row in the output.
        worker_hours: of all processes together.
    """
    saved = worker_hours * 3600 / _CHECKPOINT_SECONDS
    pieces = max(math.ceil(rows / _ROWS_A_PIECE), 1)
    shards = max(math.ceil(rows / _ROWS_A_SHARD), math.ceil(pieces / _PIECES_A_SHARD))
    piece_bytes = 4 * row_bytes * rows / pieces
    reads = 3 + piece_bytes // _CHUNK_BYTES
    return (
        _PER_RUN.plus(Asked(class_a=1, class_b=reads).times(pieces))
        .plus(_PER_SHARD.times(shards))
        .plus(Asked(class_a=saved))
    )


_CHECKPOINT_SECONDS = 10.0

_PER_RUN = Asked(class_a=16, class_b=20)
"""Lock, what earlier runs left, record and manifest."""

_PER_SHARD = Asked(class_a=2, class_b=2)
"""Written under one name, and moved to another."""
