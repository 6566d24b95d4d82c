"""JPEG XL to pixels, by libjxl; runs in a helper process.

The numbers of the header are those of ISO/IEC 18181-1, annexes A and D.
"""

from __future__ import annotations

import sys
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from transforms.failures import ImageError, Reason
from transforms.images.colour.icc import MAX_PROFILE
from transforms.images.formats.boxes import boxes, end_too_early
from transforms.images.formats.pillow import rgb
from transforms.images.pixels import RGB

CODESTREAM = b"\xff\x0a"

# Width to height, by a number from 1.
_RATIOS = ((1, 1), (6, 5), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))

# Bits of a number, and what is added to it, by two bits before it.
_SIDE = ((9, 1), (13, 1), (18, 1), (30, 1))
_PREVIEW_SIDE = ((6, 1), (8, 65), (10, 321), (12, 1345))
_PREVIEW_EIGHTHS = ((0, 16), (0, 32), (5, 1), (9, 33))


def size(data: bytes) -> npt.NDArray[np.int64]:
    """Columns and rows, upright, from the header.

    Raises:
        ImageError: truncated or corrupt; unsupported for animations: of those the library hands
            out the last frame.
    """
    header = _header(data)
    if header.animated:
        raise ImageError(Reason.UNSUPPORTED, "an animated JPEG XL: only single pictures are read")
    return np.array([header.width, header.height])


def pixels(data: bytes) -> tuple[RGB, npt.NDArray[np.uint8]]:
    """The picture, upright and over white; or uint8[n], a JPEG file that was packed into this one.

    Such a JPEG comes out as it went in, and its own decoder makes its pixels. The library turns
    the picture as the header says; EXIF data do not count.

    Returns:
        The picture, and uint8[n], the ICC profile of these pixels, empty if there is none. It is
        not always the one of the file: of a picture coded with loss whose profile is no named one,
        the library gives linear light.

    Raises:
        ImageError: truncated, corrupt or unsupported.
    """
    from pillow_jxl import Decoder

    try:
        is_jpeg, info, content, icc, *_ = Decoder(num_threads=0)(data)
    except (RuntimeError, ValueError) as error:
        if not data.startswith(CODESTREAM) and end_too_early(data):
            raise ImageError(Reason.TRUNCATED, "JPEG XL data end too early") from error
        # The library has one message for all.
        text = "JPEG XL data are corrupt, or end too early"
        raise ImageError(Reason.CORRUPT, text) from error
    profile = np.frombuffer((icc or b"")[: MAX_PROFILE + 1], np.uint8)
    if is_jpeg:
        return np.frombuffer(content, np.uint8), profile
    if info.mode not in _BYTES:
        text = f"JPEG XL with samples that have no known black and white ({info.mode})"
        raise ImageError(Reason.UNSUPPORTED, text)
    expected = info.width * info.height * _BYTES[info.mode]
    if len(content) == 2 * expected:  # so comes grey of 16 bits with transparency
        content = content[1::2] if sys.byteorder == "little" else content[::2]
    if len(content) != expected:
        raise ImageError(Reason.UNSUPPORTED, f"JPEG XL with samples of other sizes ({info.mode})")
    return rgb(Image.frombytes(info.mode, (info.width, info.height), content)), profile


_BYTES = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4, "I;16": 2}
"""Of a pixel, by the modes that are read."""


class _Header(NamedTuple):
    width: int
    height: int
    animated: bool


class _Bits:
    """Numbers from the lowest bit of the first byte on."""

    def __init__(self, data: bytes) -> None:
        self._bits, self._left = int.from_bytes(data, "little"), 8 * len(data)

    def number(self, count: int) -> int:
        if count > self._left:
            raise ImageError(Reason.TRUNCATED, "JPEG XL data end within the header")
        found = self._bits & ((1 << count) - 1)
        self._bits >>= count
        self._left -= count
        return found

    def chosen(self, choices: tuple[tuple[int, int], ...]) -> int:
        count, more = choices[self.number(2)]
        return self.number(count) + more


def _header(data: bytes) -> _Header:
    bits = _Bits(_codestream(data))
    width, height = _size(bits)
    turned = animated = False
    if not bits.number(1) and bits.number(1):  # not all is default, and there is more
        turned = bits.number(3) >= 4
        if bits.number(1):
            _size(bits)  # what it should be shown at
        if bits.number(1):
            _preview_size(bits)
        animated = bool(bits.number(1))
    return _Header(height, width, animated) if turned else _Header(width, height, animated)


# Bytes that the numbers above can take, with room to spare.
_MOST_HEADER = 64


def _codestream(data: bytes) -> bytes:
    """The beginning of the codestream behind its mark."""
    found = b""
    if data.startswith(CODESTREAM):
        found = data[:_MOST_HEADER]
    else:
        for box in boxes(data):
            if box.kind in (b"jxlc", b"jxlp"):
                start = box.start + (4 if box.kind == b"jxlp" else 0)  # a part has a number
                end = len(data) if box.end is None else box.end
                found += data[start : min(end, start + _MOST_HEADER)]
            if len(found) >= _MOST_HEADER:
                break
        if len(found) < 2:
            raise ImageError(Reason.TRUNCATED, "JPEG XL data end before the picture begins")
    if not found.startswith(CODESTREAM):
        raise ImageError(Reason.CORRUPT, "JPEG XL data are corrupt: no codestream")
    return found[2:]


def _size(bits: _Bits) -> tuple[int, int]:
    small = bits.number(1)
    height = 8 * (1 + bits.number(5)) if small else bits.chosen(_SIDE)
    if ratio := bits.number(3):
        across, down = _RATIOS[ratio - 1]
        return height * across // down, height
    return (8 * (1 + bits.number(5)) if small else bits.chosen(_SIDE)), height


def _preview_size(bits: _Bits) -> None:
    choices = _PREVIEW_EIGHTHS if bits.number(1) else _PREVIEW_SIDE
    bits.chosen(choices)
    if not bits.number(3):
        bits.chosen(choices)
