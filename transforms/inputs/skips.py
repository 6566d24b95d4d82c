"""What is skipped, counted by kind: nothing that lies in an input is passed over in silence.

Which files are, by their names, `transforms.inputs.file_types` says.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple, TypeAlias

from transforms.records import Failure, ImageRef
from transforms.storage.addresses import text

HIDDEN = "hidden"
RESULTS = "results"
NO_PICTURES = "parquet"
LINKED_AGAIN = "linked_again"
SUPERSEDED = "superseded"
OTHER_KEY = "other_key"
OTHER = "other"

IN_WORDS: Mapping[str, str] = {
    HIDDEN: "hidden",
    RESULTS: "written by quantlabel",
    NO_PICTURES: "Parquet without pictures",
    LINKED_AGAIN: "folders that links lead to again and again",
    OTHER_KEY: "with another key than --image-key",
    SUPERSEDED: "objects that an inventory calls deleted or replaced",
    "text": "text and tables",
    "document": "documents",
    "data": "arrays and databases",
    "video": "video",
    "sound": "sound",
    OTHER: "of other kinds",
}
"""Kinds of what is skipped, as a manifest spells them, and what people call them."""


class Skipped(NamedTuple):
    """A file of a folder or archive that is no input, or a folder that is not entered.

    Attributes:
        path: of it; within an archive its name there.
        kind: why, one of `IN_WORDS`.
    """

    path: str
    kind: str = OTHER


class Note(NamedTuple):
    """How a list or an archive was understood where it could have been otherwise.

    Attributes:
        path: of it.
        what: for people, such as `column 'file_name' as the uri`.
    """

    path: str
    what: str

    @property
    def counted(self) -> tuple[str, Count]:
        """What it says, and one example, to be added up."""
        return self.what, Count(1, text(self.path))


Listed: TypeAlias = "ImageRef | Skipped | Failure | Note"


@dataclasses.dataclass(frozen=True)
class Count:
    """How many files of a kind were skipped, and one of them."""

    count: int
    example: str


def joined(counts: Iterable[Count]) -> Count:
    """Their sum; the example is the first by name, whatever the order."""
    found = list(counts)
    return Count(sum(each.count for each in found), min(each.example for each in found))


class Tally:
    """Counts what is skipped, one file after the other."""

    def __init__(self) -> None:
        self.counts: dict[str, Count] = {}

    def add(self, skipped: Skipped) -> None:
        """Counts one."""
        one = Count(1, text(skipped.path))
        known = self.counts.get(skipped.kind)
        self.counts[skipped.kind] = one if known is None else joined([known, one])

    def flush(self) -> Iterator[tuple[str, Count]]:
        """Hands out what was counted, and begins anew."""
        counts, self.counts = self.counts, {}
        yield from counts.items()

    @property
    def total(self) -> int:
        """Of all kinds."""
        return sum(each.count for each in self.counts.values())


def in_words(counts: Mapping[str, Count]) -> str:
    """`3 text and tables, such as a.csv; 1 hidden, such as .DS_Store`, most first."""
    return "; ".join(
        f"{each.count:,} {IN_WORDS.get(kind, kind)}, "
        f"such as {each.example.rpartition('/')[2] or each.example}"
        for kind, each in most_first(counts).items()
    )


def notes_in_words(counts: Mapping[str, Count]) -> str:
    """`column 'path' as the uri (list.csv); ...`, most first; of several files an example."""
    return "; ".join(
        f"{what} ({f'{each.count:,} files, such as ' if each.count > 1 else ''}"
        f"{each.example.rpartition('/')[2] or each.example})"
        for what, each in most_first(counts).items()
    )


def most_first(counts: Mapping[str, Count]) -> dict[str, Count]:
    """By falling counts, equal ones by kind."""
    return dict(sorted(counts.items(), key=lambda item: (-item[1].count, item[0])))
