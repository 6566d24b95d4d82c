"""Rows with an answer each: our tables, and the CSV and JSON_MIN that Label Studio exports."""

from __future__ import annotations

import itertools
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from pipeline.labels.answers import guesses
from pipeline.labels.answers.answer import SEVERAL, SKIPPED, Answer, picture_of
from pipeline.labels.answers.guesses import LABELS
from transforms.errors import UserError

CHOICE = "choice"
"""What our configurations of Label Studio call the answer."""

_LABEL_STUDIO = "annotation_id"
"""A column that every export of Label Studio has."""

_BESIDE = frozenset(
    [
        *(_LABEL_STUDIO, "annotator", "lead_time", "created_at", "updated_at"),
        *("id", "agreement", "round"),
    ]
)
"""Other columns of such an export that are no answer."""

_READ_FIRST = 1000
"""Rows whose columns tell what a table is: an empty cell is no column of its row."""


class TableRow(NamedTuple):
    """A row of any table; `values` without what is empty."""

    where: str
    values: Mapping[str, Any]


def answers_of(rows: Iterable[TableRow], *, column: str | None) -> Iterator[Answer]:
    """What the rows of one table say.

    Args:
        rows: of the table.
        column: that people filled in; None to find it.

    Raises:
        UserError: a row names no picture, or the only answer is one that we wrote.
    """
    rest = iter(rows)
    first = list(itertools.islice(rest, _READ_FIRST))
    columns = list(dict.fromkeys(name for row in first for name in row.values))
    if not first:
        return
    answer = _answer_column(first[0].where, columns, column)
    by_people = _LABEL_STUDIO in columns or answer is not None
    for row in itertools.chain(first, rest):
        yield _answer(row, answer, by_people=by_people)


def _answer_column(where: str, columns: Collection[str], column: str | None) -> str | None:
    """The one column with the answers; None for those of `LABELS` that are there."""
    ours = guesses.is_ours(columns)
    if column is not None:
        if ours and guesses.is_guess(column):
            guesses.refuse(where, columns, column=column)
        if column not in columns:
            raise UserError(
                f"{where}: no column {column}, as --truth-column says; found {', '.join(columns)}"
            )
        return column
    labels = [name for name in LABELS if name in columns]
    if _LABEL_STUDIO in columns:
        return CHOICE if CHOICE in columns else _of_label_studio(where, columns)
    if CHOICE in columns and labels and not ours:
        raise UserError(
            f"{where}: {CHOICE} and {', '.join(labels)} both say what the picture shows. Name the "
            "column that people filled in with --truth-column."
        )
    if ours and CHOICE not in columns and not labels:
        raise UserError(
            f"{where}: these are rows of ours without a column that people filled in. Name it with "
            f"--truth-column, if it is there; found {', '.join(columns)}"
        )
    return CHOICE if CHOICE in columns else None


def _of_label_studio(where: str, columns: Collection[str]) -> str:
    """The answer beside the data of the task, which such an export keeps."""
    others = [name for name in columns if name not in _BESIDE and not guesses.is_guess(name)]
    if len(others) == 1:
        return others[0]
    raise UserError(
        f"{where}: which column is the answer{', ' if others else ''}{' or '.join(others)}? Name "
        "it with --truth-column."
    )


def _answer(row: TableRow, column: str | None, *, by_people: bool) -> Answer:
    where, values = row
    picture = picture_of(values)
    if not picture:
        raise UserError(
            f"{where}: which picture is this? Expected a column uri or file, found "
            f"{', '.join(values) or 'nothing'}."
        )
    said = _labels(row) if column is None else one_label(values.get(column))
    missing = SEVERAL if said == {} and by_people else "" if said or not by_people else SKIPPED
    return Answer(
        where,
        picture,
        None if missing else said or {},
        annotator=str(values.get("annotator", "")),
        round=str(values.get("round", "")),
        time=str(values.get("updated_at") or values.get("created_at") or ""),
        missing=missing,
        columns=tuple(values),
    )


def _labels(row: TableRow) -> dict[str, str]:
    labels = {name: str(row.values[name]) for name in LABELS if name in row.values}
    if labels and guesses.is_ours(row.values):
        guesses.refuse(row.where, row.values, column=next(reversed(labels)))
    return labels


def one_label(value: Any) -> dict[str, str] | None:
    """What a cell says: a text, or Label Studio's `{"choices": [...]}`.

    Returns:
        `label`; None if it says nothing, and nothing at all (`{}`) if it names several.
    """
    if isinstance(value, str) and value.startswith('{"choices"'):
        try:
            value = json.loads(value)
        except json.JSONDecodeError:
            return {"label": value}
    if isinstance(value, dict):
        value = value.get("choices")
    if isinstance(value, list):
        if len(value) > 1:
            return {}
        value = value[0] if value else None
    return None if value is None or not str(value).strip() else {"label": str(value)}
