"""Reads answers in whatever form a tool writes them; a new form is one entry in `_FORMS`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import orjson

from pipeline.labels import tables
from pipeline.labels.answers.answer import Answer
from pipeline.labels.answers.cvat import cvat_answers
from pipeline.labels.answers.data_sets import coco_answers, fiftyone_labels, fiftyone_samples
from pipeline.labels.answers.label_studio import is_tasks, task_answers
from pipeline.labels.answers.rows import TableRow, answers_of
from transforms.errors import UserError, one_line
from transforms.storage import files

CVAT = (".xml", ".zip")


def read_answers(path: str, *, column: str | None = None) -> Iterator[Answer]:
    """What people said, one by one.

    Args:
        path: of a table (.csv, .jsonl, .parquet), of what Label Studio exports (CSV, JSON,
            JSON_MIN), CVAT (annotations.xml, or its zip), FiftyOne (labels.json, samples.json) or
            of COCO's JSON; local or remote.
        column: that people filled in; None to find it.

    Raises:
        UserError: the file is none of these, cannot be read, or holds the network's own guesses.
    """
    extension = os.path.splitext(path)[1].lower()
    if extension in CVAT:
        yield from cvat_answers(path, _content(path))
    elif extension == ".json":
        yield from _of_json(path, column)
    else:
        rows = (TableRow(row.where, row.values) for row in tables.rows(path))
        yield from answers_of(rows, column=column)


class _Form(NamedTuple):
    fits: Callable[[Any], bool]
    answers: Callable[[str, Any, str | None], Iterator[Answer]]


def _has(*keys: str) -> Callable[[Any], bool]:
    return lambda content: isinstance(content, dict) and content.keys() >= set(keys)


def _has_labels(content: Any) -> bool:
    return isinstance(content, dict) and isinstance(content.get("labels"), dict)


def _is_rows(content: Any) -> bool:
    return isinstance(content, list) and all(isinstance(row, dict) for row in content)


def _rows(path: str, content: Any, column: str | None) -> Iterator[Answer]:
    rows = (
        TableRow(
            f"{path} entry {number}",
            {name: value for name, value in row.items() if value is not None and value != ""},
        )
        for number, row in enumerate(content, start=1)
    )
    return answers_of(rows, column=column)


_FORMS = (
    _Form(is_tasks, lambda path, content, column: task_answers(path, content, column=column)),
    _Form(_is_rows, _rows),
    _Form(
        _has_labels,
        lambda path, content, column: fiftyone_labels(path, content, column=column),
    ),
    _Form(
        _has("samples"),
        lambda path, content, column: fiftyone_samples(path, content, column=column),
    ),
    _Form(
        _has("images", "annotations", "categories"),
        lambda path, content, _: coco_answers(path, content),
    ),
)


def _of_json(path: str, column: str | None) -> Iterator[Answer]:
    try:
        content = orjson.loads(_content(path))
    except orjson.JSONDecodeError as error:
        raise UserError(f"{path}: not readable as JSON ({error})") from error
    for form in _FORMS:
        if form.fits(content):
            yield from _well_formed(path, form.answers(path, content, column))
            return
    raise UserError(
        f"{path}: expected an export of Label Studio, FiftyOne or COCO, or a list of objects with "
        "uri or file, and label"
    )


def _well_formed(path: str, answers: Iterator[Answer]) -> Iterator[Answer]:
    try:
        yield from answers
    # What stands elsewhere than the tools put it, anything may be: a file that was edited by hand.
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise UserError(
            f"{path}: damaged, or not written by the tool whose export it looks like "
            f"({type(error).__name__}: {one_line(str(error))}). Export it again."
        ) from error


def _content(path: str) -> bytes:
    try:
        return files.read_bytes(path)
    except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or 'no such file'}") from error
