"""What a truth may name: classes of the network, or labels of the user's own."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np

from pipeline.labels import tables
from pipeline.labels.answers.answer import NONE_OF_THESE, says_none
from pipeline.labels.answers.votes import NONE, UNKNOWN
from transforms.errors import UserError
from transforms.network.classes import Classes, Key, ambiguous, some_of


class Vocabulary(Protocol):
    """Turns words into numbers from 0 on."""

    def of_row(self, row: tables.Row) -> int:
        """What a row of a table says; `NONE` if that is none of these.

        Raises:
            UserError: nothing, or nothing unique.
        """

    def of_folder(self, name: str) -> int:
        """What the name of a folder says, `UNKNOWN` if nothing.

        Raises:
            UserError: nothing unique.
        """


class NetworkClasses:
    """The classes of the network; their ids are the numbers.

    Args:
        classes: of the network.
    """

    def __init__(self, classes: Classes) -> None:
        self._classes = classes

    def of_row(self, row: tables.Row) -> int:
        """The one class that `class_id`, `synset` and `label` can mean, those that are there.

        A label may be the synset too.
        """
        return NONE if says_none(row.values) else _class_id(row, self._classes)

    def of_folder(self, name: str) -> int:
        """The class of that id, synset or name."""
        called = self._classes.find(name)
        if len(called) > 1:
            raise UserError(f"--truth folders: the folder {ambiguous(name, called)}")
        return called[0].class_id if called else UNKNOWN


class OwnLabels:
    """Whatever a user calls things, numbered in the order in which it comes up.

    Args:
        none_of_these: whether that is a label like others.
    """

    def __init__(self, *, none_of_these: bool = False) -> None:
        self._numbers: dict[str, int] = {}
        self._none_is_one = none_of_these

    @property
    def labels(self) -> list[str]:
        """The label of each number."""
        return list(self._numbers)

    def of_row(self, row: tables.Row) -> int:
        """What the column `label` says."""
        if says_none(row.values):
            return self.of_folder(NONE_OF_THESE) if self._none_is_one else NONE
        return self.of_folder(tables.own_label(row))

    def of_folder(self, name: str) -> int:
        """The name as it is."""
        number = self._numbers.setdefault(name, len(self._numbers))
        if number > _MOST:
            raise UserError(
                f"{name!r} is label {number + 1:,} of the truth; {_MOST + 1:,} are the most. Is "
                "this a label, or the name of a picture?"
            )
        return number


# The largest of the `ClassIds`.
_MOST = np.iinfo(np.int16).max


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
        label = tables.own_label(row)
        if says_none(row.values):
            return self._numbers.get(NONE_OF_THESE, NONE)
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


# Labels that a message lists at most.
_SHOWN = 10


# What says the class.
_COLUMNS: tuple[Key, ...] = ("class_id", "synset", "label")


def _class_id(row: tables.Row, classes: Classes) -> int:
    """The one class that all of the row's columns can mean."""
    told: dict[Key, str] = {name: row.values[name] for name in _COLUMNS if name in row.values}
    if not told:
        raise UserError(
            f"{row.where}: what does the picture show? Expected a column class_id, synset or "
            f"label, found {', '.join(row.values) or 'nothing'}."
        )
    if "class_id" in told:  # of a column with gaps pandas writes 1.0
        told["class_id"] = told["class_id"].removesuffix(".0")
    # Several columns may stand in a table; what all of them can mean counts.
    meant = [set(_called(row, name, value, classes)) for name, value in told.items()]
    possible = sorted(set.intersection(*meant))
    if len(possible) > 1:
        called = [classes[class_id] for class_id in possible]
        raise UserError(f"{row.where}: {ambiguous(told['label'], called)}")
    if not possible:
        raise UserError(f"{row.where}: {_contradiction(told, classes)}")
    return possible[0]


def _called(row: tables.Row, column: Key, value: str, classes: Classes) -> Iterator[int]:
    called = classes.find(value, by=column)
    if not called and column == "label":
        # Annotation tools have one field for an answer; no class is called like a synset.
        called = classes.find(value, by="synset")
    if not called:
        known = (
            "`quantlabel labels search` finds what there is."
            if classes.are_imagenet
            else (f"{some_of(classes)}.")
        )
        raise UserError(f"{row.where}: {column} {value!r} is no class of the network; {known}")
    return (each.class_id for each in called)


def _contradiction(told: Mapping[Key, str], classes: Classes) -> str:
    said = ", ".join(f"{column} {value!r}" for column, value in told.items())
    if "class_id" not in told:
        return f"the columns name different classes: {said}"
    (name,) = classes.find(told["class_id"], by="class_id")
    return (
        f"the columns name different classes: {said}, but class {name.class_id} is {name.label} "
        f"({name.synset or 'no synset'}).{_hint(classes)}"
    )


def _hint(classes: Classes) -> str:
    if classes.vocabulary == "imagenet-1001":
        return " Class 0 is the background here and 1 the tench."
    return " Class 0 is the tench here." if classes.are_imagenet else ""
