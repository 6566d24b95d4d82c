"""Boxes: the containers of HEIF, AVIF, JPEG 2000 and JPEG XL, see ISO/IEC 14496-12, 4.2."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from transforms.images.limits import MAX_PARTS


class Box(NamedTuple):
    """A box of the outermost level.

    Attributes:
        kind: four letters.
        start: where its content begins.
        end: where it says that it ends; None if it goes on to the end of the file.
    """

    kind: bytes
    start: int
    end: int | None


def boxes(data: bytes) -> Iterator[Box]:
    """The boxes of a file, up to the first that is not whole, `MAX_PARTS` at most."""
    at = 0
    for _ in range(MAX_PARTS):
        size, head = int.from_bytes(data[at : at + 4], "big"), 8
        if size == 1:
            size, head = int.from_bytes(data[at + 8 : at + 16], "big"), 16
        if at + head > len(data) or 0 < size < head:
            return
        kind = data[at + 4 : at + 8]
        yield Box(kind, at + head, at + size if size else None)
        if not size or at + size > len(data):
            return
        at += size


def lacks_bytes(data: bytes) -> bool:
    """Whether a box goes on behind the end of the file."""
    end = _end(data)
    return end is not None and end > len(data)


def end_too_early(data: bytes) -> bool:
    """Whether a box, or what stands before it, goes on behind the end of the file.

    A few bytes more than there should be look like the second, so this is for files that are
    known to be damaged.
    """
    end = _end(data)
    return end is not None and (end > len(data) or 0 < len(data) - end < 8)


def _end(data: bytes) -> int | None:
    end: int | None = 0
    for box in boxes(data):
        end = box.end
    return end
