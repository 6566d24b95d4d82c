"""Names of the classes of a network: from a file, or from what is known of the network."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from typing import NamedTuple

from pipeline.models.hints import IMAGENET, NetworkHints
from transforms.errors import UserError
from transforms.network.classes import Classes, imagenet, no_classes
from transforms.storage import files
from transforms.storage.addresses import shown, text

_MOST_BYTES = 16 * 1024 * 1024

_NUMBERED = re.compile(r"\s*(\"?)(\d+)\1\s*(?:[,;:\t]\s*|\s+)(\S.*)")

_HEADING = re.compile(
    r"\s*\"?(index|id|class_id|class)\"?\s*[,;\t]\s*\"?\w[\w ]*\"?\s*", re.IGNORECASE
)


class Told(NamedTuple):
    """Classes, and what says so."""

    classes: Classes
    told_by: str


class LabelFile(NamedTuple):
    """A file of labels that was found, and what messages call it."""

    name: str
    content: bytes


def classes_of(
    count: int,
    hints: NetworkHints,
    *,
    found: LabelFile | None = None,
    is_published: bool = False,
) -> Told:
    """What the classes of a network are called.

    Args:
        count: how many there are.
        hints: what the user says.
        found: the labels that came with the network.
        is_published: whether it has the form of the published networks.

    Raises:
        UserError: nobody says it, or the file cannot be read or has another number of labels.
    """
    if count < 2:
        raise UserError("it gives one number for a picture; expected one for each of its classes")
    if isinstance(hints.classes, Classes):
        return Told(_fitting(hints.classes, count, "the run"), "the run")
    if hints.classes == IMAGENET:
        known = [each for each in (imagenet(), imagenet(background=False)) if len(each) == count]
        if not known:
            raise UserError(f"it has {count:,} classes; --classes imagenet has 1,001 or 1,000")
        return Told(known[0], "--classes imagenet")
    if hints.classes is not None:
        name = _flag(hints.classes)
        return Told(_fitting(class_file(hints.classes), count, name), name)
    if found is not None:
        classes = Classes.own(parse(found.content, found.name))
        return Told(_fitting(classes, count, found.name), found.name)
    if is_published and count == len(imagenet()):
        return Told(imagenet(), "the form of the published networks")
    raise UserError(
        f"it has {count:,} classes and nothing says what they are called; pass --classes FILE with "
        f"{count:,} lines{' or --classes imagenet' if count in (1000, 1001) else ''}"
    )


def without_classes(told_by: str, hints: NetworkHints) -> Told:
    """Those of a network that gives feature vectors alone.

    Args:
        told_by: what says so.
        hints: what the user says.

    Raises:
        UserError: the user names classes.
    """
    if hints.classes is not None and hints.classes != no_classes():
        raise UserError(
            "it gives feature vectors and no classes; leave out --classes"
            + (" or --outputs features" if hints.outputs else "")
        )
    return Told(no_classes(), told_by)


def class_file(path: str) -> Classes:
    """The classes that a file names.

    Raises:
        UserError: it cannot be read, or is no such file.
    """
    return Classes.own(parse(_content(path), _flag(path)))


def _flag(path: str) -> str:
    return f"--classes {shown(path)}"


def _fitting(classes: Classes, count: int, name: str) -> Classes:
    if len(classes) != count:
        raise UserError(f"{name} has {len(classes):,} classes, the network {count:,}")
    return classes


def _content(path: str) -> bytes:
    try:
        with files.open_read(path) as file:
            return file.read(_MOST_BYTES + 1)
    except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
        why = error.strerror or "no such file"
        raise UserError(f"{_flag(path)}: cannot be read: {why}") from error


def parse(content: bytes, name: str) -> list[str]:
    """The labels of a file.

    Args:
        content: one label a line, in the order of the outputs; or a number from 0 on and the label
            in each, as `0 cat` or `0,cat`, in any order, with or without a heading `index,name`.
        name: of the file, for messages.

    Raises:
        UserError: it is no text in UTF-8, has no label in a line, or its numbers have a gap or
            begin at 1.
    """
    try:
        lines = content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise UserError(f"{name}: expected a text file in UTF-8, one class a line") from error
    if len(content) > _MOST_BYTES or "\0" in content.decode("utf-8-sig"):
        raise UserError(f"{name}: expected a text file, one class a line")
    while lines and not lines[-1].strip():
        lines.pop()
    if not lines:
        raise UserError(f"{name}: the file is empty; expected one class a line")
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            raise UserError(f"{name} line {number}: there is no label; expected one class a line")
    numbered = _numbered(lines[1:] if _HEADING.fullmatch(lines[0]) else lines)
    numbers = sorted(number for number, _ in numbered or ())
    if numbered and numbers == list(range(1, len(numbers) + 1)):
        raise UserError(
            f"{name}: its lines are numbered from 1 to {len(numbers):,}; number them from 0, "
            "before the label even if that begins with a number"
        )
    if not numbered or 0 not in numbers:
        return [text(line.strip()) for line in lines]
    return _in_order(numbered, name)


def _numbered(lines: Sequence[str]) -> list[tuple[int, str]] | None:
    """Number and label of each line; None unless all lines have one."""
    found = []
    for line in lines:
        match = _NUMBERED.fullmatch(line)
        if match is None:
            return None
        label = match[3].strip()
        if label.startswith('"'):
            label = next(csv.reader(io.StringIO(label)))[0].strip()
        found.append((int(match[2]), label))
    return found


def _in_order(numbered: Sequence[tuple[int, str]], name: str) -> list[str]:
    labels: dict[int, str] = {}
    for number, label in numbered:
        if number in labels:
            raise UserError(f"{name}: class {number} is there twice")
        labels[number] = text(label)
    missing = next((at for at in range(len(labels)) if at not in labels), None)
    if missing is not None:
        raise UserError(f"{name}: class {missing} is missing, class {max(labels)} is there")
    return [labels[at] for at in range(len(labels))]
