"""Reads a label map: the user's labels and the classes of the network behind each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from pipeline.labels import tables
from transforms.errors import UserError
from transforms.network.classes import Classes, ClassName, ambiguous, some_of
from transforms.network.label_map import LabelMap
from transforms.network.wordnet import synset_members

REST = "*"
"""In the column class: every class that no other row names."""


class _Entry(NamedTuple):
    where: str
    label: str
    class_ids: Sequence[int]


def load_label_map(path: str, *, classes: Classes, threshold: float = 0.0) -> LabelMap:
    """Reads a table with the columns `class` and `label`.

    A class is told by its id, its synset or one of its names; the synset of a group, such as
    n02084071 for dogs, stands for all classes below it. The row that names fewer classes wins over
    one that names more, so `n02113335` can be poodles and the rest of `n02084071` dogs.

    Args:
        path: of a .csv, .jsonl or .parquet file, local or remote.
        classes: of the network.
        threshold: as in `LabelMap`.

    Raises:
        UserError: the network has no classes, the file cannot be read, or a line of it names no
            class, several, or one that another line gives another label, or a label has no class
            left.
    """
    if not len(classes):
        raise UserError(
            f"--label-map {path}: the network has no classes to map, it gives feature vectors alone"
        )
    entries = [_entry(row, classes) for row in tables.rows(path)]
    if not entries:
        raise UserError(f"{path}: the label map has no rows")
    labels = tuple(dict.fromkeys(entry.label for entry in entries))
    owners: dict[int, _Entry] = {}
    # Narrow rows first: the first to name a class keeps it.
    for entry in sorted(entries, key=lambda entry: len(entry.class_ids)):
        for class_id in entry.class_ids:
            _require_agreement(owners.setdefault(class_id, entry), entry, classes[class_id])
    of_class = [
        labels.index(owners[class_id].label) if class_id in owners else -1
        for class_id in range(max(owners) + 1)
    ]
    for at, label in enumerate(labels):
        if at not in of_class:
            raise UserError(f"{path}: no class is left for {label!r}; narrower rows name them all")
    return LabelMap(labels, tuple(of_class), threshold)


def _require_agreement(first: _Entry, entry: _Entry, name: ClassName) -> None:
    if len(first.class_ids) == len(entry.class_ids) and first.label != entry.label:
        raise UserError(
            f"{entry.where}: class {name.class_id} ({name.label}) is {entry.label!r} here, but "
            f"{first.label!r} at {first.where}"
        )


def _entry(row: tables.Row, classes: Classes) -> _Entry:
    for column in ("class", "label"):
        if column not in row.values:
            found = ", ".join(row.values) or "nothing"
            raise UserError(f"{row.where}: expected the columns class and label, found {found}")
    class_ids = _class_ids(row.where, row.values["class"].strip(), classes)
    return _Entry(row.where, tables.own_label(row), class_ids)


def _class_ids(where: str, text: str, classes: Classes) -> Sequence[int]:
    if text == REST:
        return range(len(classes))
    if below := synset_members(classes).get(text):
        return below
    called = classes.find(text)
    if len(called) > 1:
        raise UserError(f"{where}: {ambiguous(text, called)}")
    if not called:
        raise UserError(
            f"{where}: {text!r} is no class of the network and no synset above one. "
            f"`quantlabel labels search {text}` may find what is meant."
            if classes.are_imagenet
            else f"{where}: {text!r} is no class of the network; {some_of(classes)}"
        )
    return [called[0].class_id]
