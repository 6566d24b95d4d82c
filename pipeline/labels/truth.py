"""What the pictures really show, as a user knows it: from a table, or from their folders."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import posixpath
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from pipeline.labels import tables
from pipeline.labels.answers.answer import Answer
from pipeline.labels.answers.guesses import LABELS
from pipeline.labels.answers.read import read_answers
from pipeline.labels.answers.votes import SKIPPED, UNKNOWN, Votes
from pipeline.labels.options import TruthOptions
from pipeline.labels.pictures import End, folder_of, named
from pipeline.labels.vocabularies import Vocabulary
from transforms.errors import UsageError, UserError
from transforms.hashes import hashes_of

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
        """Numbers int16[len(uris)]; below 0 where there is none, as `answers.votes` names them.

        Raises:
            UserError: the truth contradicts itself over one of the pictures.
        """

    def unused(self, *, examples: int) -> Unused:
        """What none of the pictures asked for so far has matched."""

    def summary(self) -> dict[str, Any] | None:
        """Who said it and how much they agree, see `answers.votes`; None of folders.

        `overruled` counts, of the pictures asked for so far, entries that say otherwise than a
        longer name of the same picture.
        """


def load_truth(options: TruthOptions, vocabulary: Vocabulary) -> Truth:
    """Reads a truth.

    Args:
        options: which, and how.
        vocabulary: what can be said of a picture.

    Raises:
        UserError: a file cannot be read, or an entry of it does not say which picture is what; or
            folders are to count beside files.
    """
    if FOLDERS not in options.truths:
        return FileTruth(options, vocabulary)
    if len(options.truths) > 1:
        raise UsageError("--truth folders: give it alone, or files without it")
    return FolderTruth(vocabulary)


def read_truths(options: TruthOptions) -> Iterator[Answer]:
    """The answers of all files; one that names no round is a round of its own."""
    for path in options.truths:
        for answer in read_answers(path, column=options.truth_column):
            yield answer if answer.round else answer._replace(round=posixpath.basename(path))


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

    def summary(self) -> None:
        """None."""


# --- from files


class _Entry(NamedTuple):
    """An answer: `name` is the `end` of the address of its picture."""

    answer: Answer
    name: str
    end: End


class FileTruth:
    """Files with answers.

    `uri` is the address of the picture as in the rows of the run; one without a scheme that is not
    absolute is relative to the file. `file` is the end of it, a file's name or some folders with
    it. The vocabulary says what counts as a label.

    An answer takes 19 bytes, whatever its length, and some 100 while all are sorted.

    Args:
        options: which files.
        vocabulary: as in `load_truth`.

    Raises:
        UserError: see `load_truth`.
    """

    def __init__(self, options: TruthOptions, vocabulary: Vocabulary) -> None:
        self._options = options
        self._ends: set[End] = set()
        self._may_be_guesses = False
        votes = Votes()
        for answer, name, end in self._entries():
            self._ends.add(end)
            self._may_be_guesses |= answer.may_be_guess
            votes.add(
                hashes_of([name])[0],
                SKIPPED if answer.said is None else vocabulary.of_row(_row(answer)),
                annotator=answer.annotator,
                round=answer.round,
                time=answer.time,
            )
        if not len(votes):
            raise UserError(f"{options.named}: the table has no rows")
        settled = votes.settle(options.disagreement)
        self._numbers, self._hashes, self._class_ids, self._summary = settled
        self._matched = np.zeros(len(self._hashes), bool)
        self._overruled = np.zeros(len(self._hashes), bool)

    def _entries(self) -> Iterator[_Entry]:
        for path in self._options.truths:
            one = dataclasses.replace(self._options, truth=path)
            folder = folder_of(path)
            for answer in read_truths(one):
                yield _Entry(answer, *named(answer.picture, folder=folder))

    def _entry_at(self, number: int) -> _Entry:
        return next(itertools.islice(self._entries(), number, None))

    def classes(self, uris: Sequence[str]) -> ClassIds:
        """See `Truth`. Where several entries fit a picture the longest counts."""
        found = np.full(len(uris), UNKNOWN, np.int16)
        for end in sorted(self._ends, reverse=True):
            wanted = hashes_of(end.of(uri) for uri in uris)
            entries = np.searchsorted(self._hashes, wanted).clip(max=len(self._hashes) - 1)
            fits, open_ = self._hashes[entries] == wanted, found == UNKNOWN
            differs = fits & ~open_ & (found != self._class_ids[entries])
            self._overruled[entries[differs]] = True
            fits &= open_
            for at in np.flatnonzero(fits).tolist():
                self._match(int(entries[at]), uri=uris[at])
            found[fits] = self._class_ids[entries[fits]]
        return found

    def _match(self, at: int, *, uri: str) -> None:
        if self._matched[at]:
            entry = self._entry_at(int(self._numbers[at]))
            raise UserError(
                f"{entry.answer.where}: {entry.name} fits several pictures of the run, {uri} among "
                "them. Say in the table which one, with more of its path."
            )
        self._matched[at] = True

    def unused(self, *, examples: int) -> Unused:
        """See `Truth`."""
        numbers = np.sort(self._numbers[~self._matched & ~self._overruled])
        wanted = set(numbers[:examples].tolist())
        # The table is read again for the names, only as far as the last of them.
        last = max(wanted, default=-1)
        entries = enumerate(itertools.islice(self._entries(), last + 1))
        return Unused(len(numbers), [entry.name for at, entry in entries if at in wanted])

    def summary(self) -> dict[str, Any]:
        """See `Truth`."""
        # A name that was taken for another picture does not contradict the longer one of this.
        overruled = int((self._overruled & ~self._matched).sum())
        others = {"overruled": overruled, "may_be_guesses": self._may_be_guesses}
        return {**self._summary, **others}


def _row(answer: Answer) -> tables.Row:
    """What the answer says, for a vocabulary; other columns only for messages."""
    others = dict.fromkeys((name for name in answer.columns if name not in LABELS), "")
    return tables.Row(answer.where, {**others, **answer.picture, **(answer.said or {})})
