"""Pixels as decoders hand them on: arrays, and memory to decode into."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

RGB = npt.NDArray[np.uint8]
"""uint8[height, width, 3]"""


class Decoded(NamedTuple):
    """A picture as an array.

    Attributes:
        pixels: uint8[h, w, 3], RGB, or uint8[h, w, 4], CMYK if that was asked for; upright. A
            strided view if the picture was turned or mirrored.
            h and w are height and width, divided by 2, 4 or 8 and rounded up where the caller has
            asked for less.
        width: columns of the whole picture, upright.
        height: rows of the whole picture, upright.
        format: as `transforms.sniff.format_of` says.
        profile: ICC profile of the pixels where only the decoder knows it, else None.
    """

    pixels: RGB
    width: int
    height: int
    format: str
    profile: bytes | None = None


class Scratch:
    """Memory that one thread decodes into again and again.

    Fresh memory for each picture has to be mapped and cleared by the kernel page by page, which
    costs a fifth of the decoding.

    Args:
        most: bytes to keep between pictures.
    """

    def __init__(self, most: int = 64 * 1024 * 1024) -> None:
        self._most = most
        self._buffer = np.empty(0, np.uint8)

    def of(self, size: int) -> npt.NDArray[np.uint8] | None:
        """At least `size` bytes; None if they are too many to keep between pictures."""
        if size > self._most:
            return None
        if len(self._buffer) < size:
            self._buffer = np.empty(size, np.uint8)
        return self._buffer
