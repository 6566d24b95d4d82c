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

_BLURRY = 0.119
_DARK = 108
_BRIGHT, _END, _BLOWN = 130, 254, 0.21
# What is cut out lies on white to the edges of its picture; light blows out what is in the middle.
_EDGE, _WHITE_EDGE = 4, 0.15
_EVEN = 0.07
_STEP, _BUSY_SHARE = 0.06, 0.1
# Grey levels. A picture that is dark or bright as a whole has little contrast and little colour; it
# is measured by what there is room for.
_LEAST_ROOM = 40
_COLOUR, _LEAST_COLOUR = 0.04, 2
_ODD_SHAPE = 2.75
_TINY = 100 * 100

# Pixels between those whose differences are held against the differences of neighbours.
_FAR = 4
# Pixels on the shorter side; with fewer there is nothing to measure.
_ENOUGH = 18

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
    strongest, weakest = _extreme_colours(pixels)
    return Flags(
        blurry=not is_empty and _sharpness(grey) < _BLURRY,
        dark=brightest < _DARK,
        bright=bool(shares[_BRIGHT] < 0.05 or _blown(strongest, weakest) > _BLOWN),
        low_information=is_empty,
        grey=_is_grey(strongest - weakest, room=room),
        odd_shape=max(width, height) > _ODD_SHAPE * min(width, height),
        tiny=width * height < _TINY,
    )


def _reduced(image: Image.Image) -> _Grey:
    """At most `SIDE` pixels on the shorter side, each the mean of those that it stands for."""
    by = min(1.0, SIDE / min(image.size))
    columns, rows = (min(max(1, round(by * side)), _LONGEST) for side in image.size)
    return np.asarray(image.resize((columns, rows), Image.Resampling.BOX))


def _sharpness(grey: _Grey) -> float:
    """How different neighbours are, as a share of how different pixels a few apart are.

    Both are mean squares, in the direction in which it is less: along rows, columns and both
    diagonals. Where brightness changes evenly over those few pixels, as it does where edges are
    wide, it is 1 / _FAR ** 2.

    Returns:
        0 to about 1; 1 for a picture that is too small to tell.
    """
    if min(grey.shape) < _ENOUGH:
        return 1.0
    # Sums of whole numbers are exact so, in whatever order a machine adds them.
    values = grey.astype(np.float64)
    return min(
        _difference(values, y, x) / max(1e-9, _difference(values, _FAR * y, _FAR * x))
        for y, x in ((1, 0), (0, 1), (1, 1), (1, -1))
    )


def _difference(values: npt.NDArray[np.float64], down: int, across: int) -> float:
    """The mean square of the differences of pixels that lie so far apart."""
    rows, columns = values.shape
    left, right = max(across, 0), max(-across, 0)
    # Every second row tells as much.
    differences = (
        values[down::2, left : columns - right] - values[: rows - down : 2, right : columns - left]
    )
    # No BLAS: it starts threads, for a tenth of a millisecond of work.
    return float(np.einsum("yx,yx->", differences, differences)) / differences.size


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


def _extreme_colours(pixels: RGB) -> tuple[_Grey, _Grey]:
    """Of some pixels the strongest and the weakest of the three colours, uint8[h, w] each."""
    step = max(1, min(pixels.shape[:2]) // SIDE)
    red, green, blue = (np.ascontiguousarray(pixels[::step, ::step, at]) for at in range(3))
    return (
        np.maximum(np.maximum(red, green), blue),
        np.minimum(np.minimum(red, green), blue),
    )


def _blown(strongest: _Grey, weakest: _Grey) -> float:
    """The share of the pixels with a colour at the end of its range.

    Those that are white altogether count half, for much of what is photographed lies on white, and
    less still where the edges of the picture are white.
    """
    white = weakest >= _END
    edges = np.concatenate(
        [side.ravel() for lines in (white, white.T) for side in (lines[:_EDGE], lines[-_EDGE:])]
    )
    some, all_ = (np.count_nonzero(ends) for ends in (strongest >= _END, white))
    at_edges = np.count_nonzero(edges) / edges.size
    return (some - all_ / 2) / white.size - _WHITE_EDGE * at_edges


def _is_grey(spans: _Grey, *, room: int) -> bool:
    """Whether 99 of 100 pixels have no colour to speak of.

    Args:
        spans: of each pixel, how far its strongest colour is from its weakest.
        room: as in `_is_empty`.
    """
    plain = np.count_nonzero(spans < max(_LEAST_COLOUR, int(_COLOUR * room)))
    return bool(plain > 0.99 * spans.size)
