"""The compiled kernel, if it is installed: JPEG bytes to the network's input in one pass.

It gives the very pixels of `transforms.images.preprocess.load`, or none: what it does not know, and
whatever looks like damage, is left to the decoders that everything else goes through. So no row
depends on whether it is there. See docs/kernel.md.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from transforms import kernel
from transforms.images.settings import Preprocessing
from transforms.records import Pixels

# Rows of the input, as in native/src/jpeg.rs.
_LARGEST = 1024


class Taken(NamedTuple):
    """A JPEG that the kernel has taken.

    Attributes:
        pixels: uint8[size, size, 3], RGB, C-contiguous; with four views uint8[2, size, size, 3].
            With corners uint8[crops, 2 * size, 2 * size, 3].
        width: columns of the whole picture, upright.
        height: rows of the whole picture, upright.
    """

    pixels: Pixels
    width: int
    height: int


def takes(how: Preprocessing) -> bool:
    """Whether JPEG that is loaded so may go through the kernel."""
    fits = how.size <= _LARGEST and how.columns in (None, how.size)
    return kernel.module is not None and how.method != "stretch" and fits


def load_jpeg(
    data: bytes,
    how: Preprocessing,
    *,
    corners: bool = False,
    colours: tuple[bytes, bytes] | None = None,
) -> Taken | None:
    """Decodes and preprocesses a JPEG, without the GIL; None if it is not one for the kernel.

    Args:
        data: the content of the file.
        how: method, size and so on.
        corners: whether to leave out the last step, see `transforms.images.preprocess.corners_of`.
        colours: what makes sRGB of the picture, see `transforms.images.colour.space.Space.tables`.
    """
    if kernel.module is None or how.columns not in (None, how.size):
        return None
    found = kernel.module.load_jpeg(
        data,
        size=how.size,
        method=how.method,
        views=how.views,
        max_pixels=how.max_pixels,
        corners=corners,
        colours=colours,
    )
    if found is None:
        return None
    pixels, width, height = found
    shape = (2, how.size, how.size, 3) if how.views == 4 else (how.size, how.size, 3)
    if corners:
        shape = (-1, 2 * how.size, 2 * how.size, 3)
    return Taken(np.frombuffer(pixels, np.uint8).reshape(shape), width, height)
