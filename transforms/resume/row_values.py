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

_REREAD = ("TIFF", "GIF")
"""Formats of which 0.1.0 read some pictures otherwise: 16 bits in planes, white as 0 or a preview
for the picture; a first frame on the colour of a palette. Which ones their rows do not say."""

_WITH_PROFILES = ("JPEG", "PNG", "WEBP")

_MARKS = (b"ICC_PROFILE\0", b"iCCP", b"cICP", b"gAMA", b"ICCP", b"acTL", b"ANMF")
"""What stands in a JPEG, PNG or WebP that has a profile, or several frames."""

BEGINNING = 1024 * 1024
"""Bytes of a file in which a mark would be."""

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
    return made.row_values < _FULL_SIZE and (row["format"] in _REREAD or _was_reduced(row, made))


def depends_on_profile(row: Mapping[str, Any], made: Made) -> bool:
    """Whether a prediction is that of today only if `has_marks` says no of its picture.

    Version 0.1.0 did nothing about colour profiles, and did not say which pictures had one.

    Args:
        row: has at least the columns `DECIDING`.
        made: how.
    """
    return made.row_values < _FULL_SIZE and row["format"] in _WITH_PROFILES


def has_marks(beginning: bytes) -> bool:
    """Whether a file may have a colour profile, or several frames; rarely one that has none.

    Args:
        beginning: its first `BEGINNING` bytes.
    """
    return any(mark in beginning for mark in _MARKS)


def _was_reduced(row: Mapping[str, Any], made: Made) -> bool:
    """Whether 0.1.0 decoded the picture at less than its full size.

    The few that it spared (turned ones with an odd side) are not told apart by their rows.
    """
    left = _KEPT * made.size
    if not made.method.startswith("stretch"):  # crops keep 7/8 of a side
        left = -(-left * 8 // 7)
    shorter: int = min(row["width"], row["height"])
    return row["format"] == "JPEG" and shorter >= 2 * left
