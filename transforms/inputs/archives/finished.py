"""Archives that were read to their end, and what was found: a later run need not read them again.

A record is only a claim. Whoever relies on it counts the rows that are there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from transforms.inputs.skips import Count
from transforms.storage import files

Counts = Mapping[str, Sequence[Any]]
"""What to [how many, an example]: `Count` as JSON holds it."""


class FinishedArchive(NamedTuple):
    """What an archive holds.

    Attributes:
        uri: of the archive, as rows name it.
        version: of it, as in `ImageRef`.
        rows: pictures in it, those that failed included.
        skipped: members that are no pictures, by kind, as `transforms.inputs.skips` has them.
        notes: how it was understood.
    """

    uri: str
    version: str
    rows: int
    skipped: Counts
    notes: Counts


def as_counts(counts: Mapping[str, Count]) -> Counts:
    """Counts as a record holds them."""
    return {what: [each.count, each.example] for what, each in counts.items()}


def counts_of(counts: Counts) -> Iterator[tuple[str, Count]]:
    """The reverse."""
    for what, (count, example) in counts.items():
        yield what, Count(count, example)


def write_finished(path: str, lines: Sequence[FinishedArchive]) -> None:
    """Writes records, one a line."""
    content = "".join(f"{json.dumps(line)}\n" for line in lines)
    files.write_bytes(path, content.encode("ascii"))


def read_finished(path: str) -> Iterator[FinishedArchive]:
    """Reads records. What is damaged is left out: then the archive is read again."""
    for line in files.read_bytes(path).splitlines():
        found = _parsed(line)
        if found is not None:
            yield found


def _parsed(line: bytes) -> FinishedArchive | None:
    try:
        uri, version, rows, *both = json.loads(line)
        skipped, notes = map(_counts, both)
    except (ValueError, TypeError, AttributeError, RecursionError):
        return None
    kinds = isinstance(uri, str), isinstance(version, str), isinstance(rows, int)
    return FinishedArchive(uri, version, rows, skipped, notes) if all(kinds) else None


def _counts(value: Any) -> Counts:
    for count, example in value.values():
        if not (isinstance(count, int) and isinstance(example, str)):
            raise TypeError(value)
    return dict(value)
