"""Which rows of earlier releases would have other values if they were made today.

The next change of values goes here: one more condition in `is_outdated`, and `ROW_VALUES` up by 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from transforms._version import ROW_VALUES

DECIDING = ("format", "width", "height")
"""Columns of predictions that `is_outdated` looks at."""

# Row values since which every picture is decoded at its full size.
_FULL_SIZE = 2

# Version 0.1.0 halved a JPEG of which so many pixels remained for each pixel of the network's input
# (`transforms/preprocess.py` there).
_KEPT = 12


class Made(NamedTuple):
    """How rows were made, as far as it decides which of them are outdated.

    Attributes:
        row_values: `transforms._version.ROW_VALUES` of the release that made them.
        method: `Preprocessing.method`.
        size: rows and columns of the network's input, in pixels.
    """

    row_values: int
    method: str
    size: int

    @property
    def may_be_outdated(self) -> bool:
        """Whether there can be any such row."""
        return self.row_values < ROW_VALUES


def is_outdated(row: Mapping[str, Any], made: Made) -> bool:
    """Whether a prediction would have other values today.

    Args:
        row: has at least the columns `DECIDING`.
        made: how.
    """
    return made.row_values < _FULL_SIZE and _was_reduced(row, made)


def _was_reduced(row: Mapping[str, Any], made: Made) -> bool:
    """Whether 0.1.0 decoded the picture at less than its full size.

    The few that it spared (turned ones with an odd side) are not told apart by their rows.
    """
    left = _KEPT * made.size
    if not made.method.startswith("stretch"):  # crops keep 7/8 of a side
        left = -(-left * 8 // 7)
    shorter: int = min(row["width"], row["height"])
    return row["format"] == "JPEG" and shorter >= 2 * left
