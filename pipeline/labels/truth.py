"""What the pictures really show, as a user knows it: from a table, or from their folders."""

from __future__ import annotations

import array
import functools
import itertools
import os
import posixpath
from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from pipeline.labels import tables
from pipeline.labels.vocabularies import UNKNOWN, Vocabulary
from transforms.errors import UserError
from transforms.hashes import hashes_of
from transforms.storage import files
from transforms.storage.addresses import is_utf8, text

FOLDERS = "folders"
"""What `--truth` is told so that the folders' names count."""

ClassIds = npt.NDArray[np.int16]


class Unused(NamedTuple):
    """Entries of a truth that no picture of a run matched.

    Attributes:
        number: how many.
        examples: the first of them, as the truth names them.
    """

    number: int
    examples: list[str]


class Truth(Protocol):
    """Tells what pictures show, as the numbers that a `Vocabulary` gives."""

    def classes(self, uris: Sequence[str]) -> ClassIds:
        """Numbers int16[len(uris)], `UNKNOWN` where the truth says nothing.

        Raises:
            UserError: the truth contradicts itself over one of the pictures.
        """

    def unused(self, *, examples: int) -> Unused:
        """What none of the pictures asked for so far has matched."""


def load_truth(source: str, vocabulary: Vocabulary) -> Truth:
    """Reads a truth.

    Args:
        source: `folders`, or the path of a table as `TableTruth` takes it.
        vocabulary: what can be said of a picture.

    Raises:
        UserError: the table cannot be read, or a line of it does not say which picture is what.
    """
    return FolderTruth(vocabulary) if source == FOLDERS else TableTruth(source, vocabulary)


# --- from folders


def folder_name(uri: str) -> str:
    """The name of the folder that a picture lies in."""
    return posixpath.basename(posixpath.dirname(uri))


class FolderTruth:
    """Each picture shows what its folder is called."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._of_folder = functools.cache(vocabulary.of_folder)

    def classes(self, uris: Sequence[str]) -> ClassIds:
        """See `Truth`."""
        return np.fromiter(map(self._of_folder, map(folder_name, uris)), np.int16, len(uris))

    def unused(self, *, examples: int) -> Unused:  # noqa: ARG002
        """None: a folder without pictures in the run says nothing."""
        return Unused(0, [])


# --- from a table


# Parts of a path: more than any has.
_WHOLE = 1_000_000


class _Entry(NamedTuple):
    """A row of the table: `name` is the last `parts` parts of the address of its picture."""

    row: tables.Row
    name: str
    parts: int


class TableTruth:
    """A table with a row a picture.

    `uri` is the address of the picture as in the rows of the run; one without a scheme that is not
    absolute is relative to the table. `file` is the end of it, a file's name or some folders with
    it. The vocabulary says which columns tell what it shows. Other columns do not matter.

    A row is kept as a hash of 8 bytes, its number and its class: 19 bytes, whatever its length.

    Args:
        path: of a .csv, .jsonl or .parquet file, local or remote.
        vocabulary: as in `load_truth`.

    Raises:
        UserError: see `load_truth`.
    """

    def __init__(self, path: str, vocabulary: Vocabulary) -> None:
        self._path = path
        self._parts: set[int] = set()
        # Arrays grow in place; lists of Python's numbers would take five times the memory.
        hashes, class_ids = array.array("Q"), array.array("h")
        for entry in self._entries():
            self._parts.add(entry.parts)
            hashes.append(hashes_of([entry.name])[0])
            class_ids.append(vocabulary.of_row(entry.row))
        if not hashes:
            raise UserError(f"{path}: the table has no rows")
        # Stable: of two equal entries the first in the table stays first.
        self._numbers = np.argsort(np.frombuffer(hashes, np.uint64), kind="stable")
        self._hashes = np.frombuffer(hashes, np.uint64)[self._numbers]
        self._class_ids = np.frombuffer(class_ids, np.int16)[self._numbers]
        self._drop_repetitions()
        self._matched = np.zeros(len(self._hashes), bool)

    def _entries(self) -> Iterator[_Entry]:
        folder = posixpath.dirname(self._path)
        if files.is_local(self._path):
            folder = os.path.abspath(folder)
        for row in tables.rows(self._path):
            yield _entry(row, folder=folder)

    def _drop_repetitions(self) -> None:
        # Sorted, so equal names stand side by side.
        again = np.flatnonzero(self._hashes[1:] == self._hashes[:-1]) + 1
        for at in again[self._class_ids[again] != self._class_ids[again - 1]][:1]:
            one, other = (
                self._entry_at(number) for number in self._numbers[at - 1 : at + 1].tolist()
            )
            raise UserError(
                f"{other.row.where}: {other.name} is another class here than at {one.row.where}"
            )
        kept = np.ones(len(self._hashes), bool)
        kept[again] = False
        self._numbers, self._hashes = self._numbers[kept], self._hashes[kept]
        self._class_ids = self._class_ids[kept]

    def _entry_at(self, number: int) -> _Entry:
        return next(itertools.islice(self._entries(), number, None))

    def classes(self, uris: Sequence[str]) -> ClassIds:
        """See `Truth`. Where several entries fit a picture the longest counts."""
        found = np.full(len(uris), UNKNOWN, np.int16)
        # The longest first: what a whole path says counts more than the name of a file.
        for parts in sorted(self._parts, reverse=True):
            open_ = np.flatnonzero(found == UNKNOWN)
            ends = ("/".join(uris[at].split("/")[-parts:]) for at in open_.tolist())
            wanted = hashes_of(ends)
            # Behind the last hash there is none to compare with.
            entries = np.searchsorted(self._hashes, wanted).clip(max=len(self._hashes) - 1)
            fits = self._hashes[entries] == wanted
            for at, entry in zip(open_[fits], entries[fits], strict=True):
                self._match(int(entry), uri=uris[int(at)])
            found[open_[fits]] = self._class_ids[entries[fits]]
        return found

    def _match(self, at: int, *, uri: str) -> None:
        if self._matched[at]:
            entry = self._entry_at(int(self._numbers[at]))
            raise UserError(
                f"{entry.row.where}: {entry.name} fits several pictures of the run, {uri} among "
                "them. Say in the table which one, with more of its path."
            )
        self._matched[at] = True

    def unused(self, *, examples: int) -> Unused:
        """See `Truth`."""
        numbers = np.sort(self._numbers[~self._matched])
        wanted = set(numbers[:examples].tolist())
        # The table is read again for the names, only as far as the last of them.
        last = max(wanted, default=-1)
        entries = enumerate(itertools.islice(self._entries(), last + 1))
        return Unused(len(numbers), [entry.name for at, entry in entries if at in wanted])


def _entry(row: tables.Row, *, folder: str) -> _Entry:
    values = row.values
    if "uri" in values:
        uri = _key(values["uri"])
        return _Entry(row, uri if "://" in uri else _absolute(uri, folder=folder), _WHOLE)
    if "file" in values:
        name = posixpath.normpath(_key(values["file"]))
        return _Entry(row, name, _WHOLE if name.startswith("/") else name.count("/") + 1)
    raise UserError(
        f"{row.where}: which picture is this? Expected a column uri or file, found "
        f"{', '.join(values) or 'nothing'}."
    )


def _key(name: str) -> str:
    """As rows spell it: a name of valid Unicode is one already."""
    return name if is_utf8(name) else text(name)


def _absolute(uri: str, *, folder: str) -> str:
    if files.is_local(folder):
        return posixpath.normpath(posixpath.join(folder, uri))
    return files.join(folder, uri)
