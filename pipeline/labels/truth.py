"""What the pictures really show, as a user knows it: from a table, or from their folders."""

from __future__ import annotations

import array
import functools
import hashlib
import itertools
import os
import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from pipeline.labels import tables
from transforms.errors import UserError
from transforms.network.classes import ambiguous, class_names, find_classes
from transforms.storage import files
from transforms.storage.addresses import text

UNKNOWN = -1
"""In place of a number: nobody has said what the picture shows."""

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


class Vocabulary(Protocol):
    """Turns words into numbers from 0 on."""

    def of_row(self, row: tables.Row) -> int:
        """What a row of a table says.

        Raises:
            UserError: nothing, or nothing unique.
        """

    def of_folder(self, name: str) -> int:
        """What the name of a folder says, `UNKNOWN` if nothing.

        Raises:
            UserError: nothing unique.
        """


class NetworkClasses:
    """The classes of the network; their ids are the numbers."""

    def of_row(self, row: tables.Row) -> int:
        """The one class that `class_id`, `synset` and `label` can mean, those that are there."""
        return _class_id(row)

    def of_folder(self, name: str) -> int:
        """The class of that id, synset or name."""
        called = find_classes(name)
        if len(called) > 1:
            raise UserError(f"--truth folders: the folder {ambiguous(name, called)}")
        return called[0].class_id if called else UNKNOWN


class OwnLabels:
    """Whatever a user calls things, numbered in the order in which it comes up."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    @property
    def labels(self) -> list[str]:
        """The label of each number."""
        return list(self._numbers)

    def of_row(self, row: tables.Row) -> int:
        """What the column `label` says."""
        return self.of_folder(_own_label(row))

    def of_folder(self, name: str) -> int:
        """The name as it is."""
        number = self._numbers.setdefault(name, len(self._numbers))
        if number > _MOST:
            raise UserError(
                f"{name!r} is label {number + 1:,} of the truth; {_MOST + 1:,} are the most. Is "
                "this a label, or the name of a picture?"
            )
        return number


_MOST = np.iinfo(np.int16).max
"""The largest of the `ClassIds`."""


class KnownLabels:
    """The labels of a label map or of a head, numbered in their order; others are refused.

    Args:
        labels: all of them.
        of: whose they are, for messages.
    """

    def __init__(self, labels: Sequence[str], *, of: str) -> None:
        self._numbers = {label: number for number, label in enumerate(labels)}
        self._of = of

    def of_row(self, row: tables.Row) -> int:
        """What the column `label` says."""
        label = _own_label(row)
        if label not in self._numbers:
            there = ", ".join(itertools.islice(self._numbers, _SHOWN))
            more = ", ..." if len(self._numbers) > _SHOWN else ""
            raise UserError(
                f"{row.where}: {label!r} is no label of {self._of}, which has {there}{more}"
            )
        return self._numbers[label]

    def of_folder(self, name: str) -> int:
        """The label of that name."""
        return self._numbers.get(name, UNKNOWN)


_SHOWN = 10
"""Labels that a message lists at most."""


def _own_label(row: tables.Row) -> str:
    if "label" not in row.values:
        found = ", ".join(row.values) or "nothing"
        raise UserError(f"{row.where}: expected a column label, found {found}")
    return row.values["label"].strip()


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

_COLUMNS = {"class_id": r"\d+", "synset": r"n\d{8}", "label": r".*\D.*"}
"""What says the class, and what that looks like: no number of another list passes for a label."""

_WHOLE = 1_000_000
"""Parts of a path: more than any has."""


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
        hashes, class_ids = array.array("Q"), array.array("h")
        for entry in self._entries():
            self._parts.add(entry.parts)
            hashes.append(_hash(entry.name))
            class_ids.append(vocabulary.of_row(entry.row))
        if not hashes:
            raise UserError(f"{path}: the table has no rows")
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
        for parts in sorted(self._parts, reverse=True):
            open_ = np.flatnonzero(found == UNKNOWN)
            wanted = np.array([_hash(_end(uris[at], parts)) for at in open_.tolist()], np.uint64)
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
        last = max(wanted, default=-1)
        entries = enumerate(itertools.islice(self._entries(), last + 1))
        return Unused(len(numbers), [entry.name for at, entry in entries if at in wanted])


def _hash(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little")


def _end(uri: str, parts: int) -> str:
    return "/".join(uri.split("/")[-parts:])


def _entry(row: tables.Row, *, folder: str) -> _Entry:
    values = row.values
    if "uri" in values:
        uri = text(values["uri"])
        return _Entry(row, uri if "://" in uri else _absolute(uri, folder=folder), _WHOLE)
    if "file" in values:
        name = posixpath.normpath(text(values["file"]))
        return _Entry(row, name, _WHOLE if name.startswith("/") else name.count("/") + 1)
    raise UserError(
        f"{row.where}: which picture is this? Expected a column uri or file, found "
        f"{', '.join(values) or 'nothing'}."
    )


def _absolute(uri: str, *, folder: str) -> str:
    if files.is_local(folder):
        return posixpath.normpath(posixpath.join(folder, uri))
    return files.join(folder, uri)


def _class_id(row: tables.Row) -> int:
    """The one class that all of the row's columns can mean."""
    told = {name: row.values[name] for name in _COLUMNS if name in row.values}
    if not told:
        raise UserError(
            f"{row.where}: what does the picture show? Expected a column class_id, synset or "
            f"label, found {', '.join(row.values) or 'nothing'}."
        )
    meant = [set(_called(row, name, value)) for name, value in told.items()]
    possible = sorted(set.intersection(*meant))
    if len(possible) > 1:
        called = [class_names()[class_id] for class_id in possible]
        raise UserError(f"{row.where}: {ambiguous(told['label'], called)}")
    if not possible:
        raise UserError(f"{row.where}: {_contradiction(told)}")
    return possible[0]


def _called(row: tables.Row, column: str, value: str) -> Iterator[int]:
    called = find_classes(value) if re.fullmatch(_COLUMNS[column], value) else ()
    if not called:
        raise UserError(
            f"{row.where}: {column} {value!r} is no class of the network. `quantlabel labels "
            "search` finds what there is."
        )
    return (each.class_id for each in called)


def _contradiction(told: Mapping[str, str]) -> str:
    said = ", ".join(f"{column} {value!r}" for column, value in told.items())
    if "class_id" not in told:
        return f"the columns name different classes: {said}"
    (name,) = find_classes(told["class_id"])
    return (
        f"the columns name different classes: {said}, but class {name.class_id} is {name.label} "
        f"({name.synset or 'no synset'}). Class 0 is the background here and 1 the tench."
    )
