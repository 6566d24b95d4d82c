"""What is odd about a picture, told from its pixels at a reduced size: the flags of `--quality`.

The limits were chosen on faults made from photographs; docs/quality.md has the figures.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

from transforms.flags import Flags
from transforms.images.pixels import RGB

SIDE = 256
"""Pixels of the shorter side that pictures are reduced to; with far fewer, blur would not show."""

# Of the longer side, so that a strip costs no more than a photograph.
_LONGEST = 8 * SIDE

_BLURRY = 0.455
_DARK = 108
_BRIGHT, _BRIGHT_MEAN = 150, 207
_EVEN = 0.07
_STEP, _BUSY_SHARE = 0.06, 0.1
# Grey levels. A picture that is dark or bright as a whole has little contrast and little colour; it
# is measured by what there is room for.
_LEAST_ROOM = 40
_COLOUR, _LEAST_COLOUR = 0.04, 2
_ODD_SHAPE = 2.75
_TINY = 100 * 100

# Rows that are averaged to blur a picture once more; with fewer there is nothing to measure.
_SPAN = 9

_Grey = npt.NDArray[np.uint8]


def find_flags(pixels: RGB, *, width: int, height: int) -> Flags:
    """Looks at a picture.

    Args:
        pixels: uint8[h, w, 3], RGB, the whole picture; at its own size, or smaller as long as the
            shorter side has `SIDE` pixels.
        width: columns of the picture itself.
        height: rows of the picture itself.
    """
    # A strip of a hundred million pixels would be copied whole.
    pixels = pixels[:: max(1, height // (8 * _LONGEST)), :: max(1, width // (8 * _LONGEST))]
    grey = _reduced(Image.fromarray(np.ascontiguousarray(pixels)).convert("L"))
    # Share of the pixels up to each grey level.
    shares = np.cumsum(np.bincount(grey.ravel(), minlength=256)) / grey.size
    darkest, brightest = (int(np.searchsorted(shares, share)) for share in (0.01, 0.99))
    room = max(_LEAST_ROOM, min(brightest, 255 - darkest))
    is_empty = _is_empty(grey, room=room)
    return Flags(
        blurry=not is_empty and _blur(grey) > _BLURRY,
        dark=brightest < _DARK,
        bright=bool(shares[_BRIGHT] < 0.05 or grey.mean() > _BRIGHT_MEAN),
        low_information=is_empty,
        grey=_is_grey(pixels, room=room),
        odd_shape=max(width, height) > _ODD_SHAPE * min(width, height),
        tiny=width * height < _TINY,
    )


def _reduced(image: Image.Image) -> _Grey:
    """At most `SIDE` pixels on the shorter side, each the mean of those that it stands for."""
    by = min(1.0, SIDE / min(image.size))
    columns, rows = (min(max(1, round(by * side)), _LONGEST) for side in image.size)
    return np.asarray(image.resize((columns, rows), Image.Resampling.BOX))


def _blur(grey: _Grey) -> float:
    """How much of the differences between neighbours stays when a picture is blurred once more.

    0 to 1, in the direction in which it is more; a picture that is blurred already loses little.
    After Crete and others, The Blur Effect, 2007 (doi:10.1117/12.702790).
    """
    return max(_blur_of_columns(grey), _blur_of_columns(grey.T))


def _blur_of_columns(grey: _Grey) -> float:
    if len(grey) < 2 * _SPAN:
        return 0.0
    # Sums in place of means, so that all numbers are small and whole.
    values = grey.astype(np.int16)
    sums = values
    for step in (1, 2, 4):  # of 2, 4 and 8 rows
        sums = sums[:-step] + sums[step:]
    sums = sums[:-1] + values[_SPAN - 1 :]
    middle = values[_SPAN // 2 : -(_SPAN // 2)]
    before = np.abs(middle[1:] - middle[:-1]) * np.int16(_SPAN)
    after = np.abs(sums[1:] - sums[:-1])
    return int(np.minimum(before, after).sum()) / max(1, int(before.sum()))


def _is_empty(grey: _Grey, *, room: int) -> bool:
    """Whether next to nothing is to be seen.

    All of it is about equally bright, or brightness changes in few places: an empty page, a
    gradient.

    Args:
        grey: the picture.
        room: grey levels that its contrasts could span.
    """
    if grey.std() < _EVEN * room:
        return True
    ranges = _extremes(grey, np.maximum) - _extremes(grey, np.minimum)
    return bool(np.count_nonzero(ranges > int(_STEP * room)) < _BUSY_SHARE * ranges.size)


def _extremes(grey: _Grey, extreme: np.ufunc) -> _Grey:
    """Of each square of 8 x 8 pixels; uint8[h - 7, w - 7]."""
    for _ in range(2):
        for step in (1, 2, 4):  # spans of 2, 4 and 8 rows
            if len(grey) > step:
                grey = extreme(grey[:-step], grey[step:])
        grey = grey.T
    return grey


def _is_grey(pixels: RGB, *, room: int) -> bool:
    """Whether 99 of 100 pixels have no colour to speak of; `room` as in `_is_empty`."""
    step = max(1, min(pixels.shape[:2]) // SIDE)
    red, green, blue = (np.ascontiguousarray(pixels[::step, ::step, at]) for at in range(3))
    strongest = np.maximum(np.maximum(red, green), blue)
    spans = strongest - np.minimum(np.minimum(red, green), blue)
    plain = np.count_nonzero(spans < max(_LEAST_COLOUR, int(_COLOUR * room)))
    return bool(plain > 0.99 * spans.size)
