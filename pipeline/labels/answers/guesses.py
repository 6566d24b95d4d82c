"""Tells the network's guesses from what people say: no column that we wrote may be a truth."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from transforms.errors import UserError
from transforms.rows.schema import PREDICTION_COLUMNS

GUESS = "guess"
"""The column of `review` with what the network thinks."""

WHY = "why"
MARGIN = "margin"
CHOICES = "choices"
"""Other columns of `review`."""

LABELS = ("class_id", "synset", "label")
"""Columns that say what a picture shows, in people's tables and in ours."""

_OF_PICTURES = frozenset(["sha256", "width", "height", "format", "size", "version"])
"""Columns of our rows that a table of somebody else may have too."""

_OF_ROWS = frozenset(column.name for column in PREDICTION_COLUMNS)
_OF_REVIEW = frozenset([GUESS, WHY, MARGIN, CHOICES])
_OF_SEARCH = frozenset(["similarity", "confidence"])
"""`similarity` of search and duplicates; `confidence` is what others call a score."""

_OF_HEAD = frozenset(["head_label", "head_score"])
"""Columns of `export` with the labels of a head."""

_ONLY_OURS = (
    (_OF_ROWS - _OF_PICTURES - {*LABELS, "uri", "meta", "file"})
    | _OF_REVIEW
    | _OF_SEARCH
    | _OF_HEAD
)
_MORE_GUESSES = re.compile(r"(label|score)_\d+")
"""Columns of `export --to csv`: `label_2`, `score_2` and so on."""

_FEW = 3
"""So many columns of pictures together are not there by chance."""


def is_ours(columns: Collection[str]) -> bool:
    """Whether a table with these columns holds guesses of the network: our rows or `review`."""
    names = set(map(_plain, columns))
    return any(map(_is_only_ours, names)) or len(_OF_PICTURES.intersection(names)) >= _FEW


def _plain(column: str) -> str:
    """As we write it: spreadsheets and people change the case and add blanks."""
    return column.strip().casefold()


def _is_only_ours(name: str) -> bool:
    return name in _ONLY_OURS or bool(_MORE_GUESSES.fullmatch(name))


def is_guess(column: str) -> bool:
    """Whether a column of a table of ours is one that we wrote."""
    name = _plain(column)
    return _is_only_ours(name) or name in (*LABELS, *_OF_PICTURES, "uri", "image", "file", "meta")


_ENOUGH_ALIKE = 10
"""Answers that are all right by chance, or because the pictures are easy, are fewer as a rule."""

COPIED = (
    "every answer is the run's own label. If the table was cut out of its rows, as uri and label, "
    "it says nothing of how right they are"
)
"""What to say where `looks_copied`."""


MAY_BE_GUESSES = (
    "labels.json does not tell which field it was exported from. If from the network's labels, of "
    "which people corrected some, it flatters: name the field with --truth-column, or export as "
    "FiftyOneDataset"
)
"""What to say of `pipeline.labels.answers.answer.Answer.may_be_guess`."""


def looks_copied(same: int, *, of: int, answers: Mapping[str, Any] | None) -> bool:
    """Whether a truth may be the run's own labels, cut out of its rows: nobody's name is in it.

    Args:
        same: pictures whose answer is the label of the run.
        of: pictures with an answer.
        answers: as `pipeline.labels.truth.Truth.summary` has them.
    """
    by_nobody = answers is not None and not answers["annotators"]
    return by_nobody and same == of >= _ENOUGH_ALIKE


def refuse(where: str, columns: Collection[str], *, column: str) -> None:
    """Refuses a column of guesses as truth.

    Raises:
        UserError: always.
    """
    marks = [name for name in columns if _is_only_ours(_plain(name))]
    marks = marks or [name for name in columns if _plain(name) in _OF_PICTURES]
    raise UserError(
        f"{where}: the column {column} holds what the network guessed, as {', '.join(marks[:3])} "
        "beside it tells. Name the column that people filled in with --truth-column; if that is "
        f"{column}, call it otherwise, such as truth, and name that."
    )
