"""The compiled kernel, if it is installed: JPEG bytes to the network's input in one pass.

It gives the very pixels of `transforms.images.preprocess.load`, or none: what it does not know, and
whatever looks like damage, is left to the decoders that everything else goes through. So no row
depends on whether it is there. See docs/kernel.md.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from transforms.errors import UsageError
from transforms.images.settings import KERNELS, Kernel, Preprocessing
from transforms.records import Pixels

_INTERFACE = 2
"""What this version of quantlabel can talk to; a module left from another one is passed over."""

try:
    import quantlabel_native
except ImportError:
    extension = None
else:
    extension = quantlabel_native if quantlabel_native.INTERFACE == _INTERFACE else None


class Taken(NamedTuple):
    """A JPEG that the kernel has taken.

    Attributes:
        pixels: uint8[size, size, 3], RGB, C-contiguous; with four views uint8[2, size, size, 3].
        width: columns of the whole picture, upright.
        height: rows of the whole picture, upright.
    """

    pixels: Pixels
    width: int
    height: int


def is_available() -> bool:
    """Whether the kernel is installed, and of the right version."""
    return extension is not None


def check_kernel(kernel: Kernel) -> None:
    """Refuses a kernel that there is not.

    Raises:
        UsageError: an unknown name, or native where the kernel is not installed.
    """
    if kernel not in KERNELS:
        raise UsageError(f"kernel {kernel!r}: expected one of {', '.join(KERNELS)}")
    if kernel == "native" and not is_available():
        raise UsageError(
            "kernel 'native': the compiled kernel is not installed; install the wheel that "
            "`make wheel` builds, or leave the choice at 'auto'"
        )


def load_jpeg(data: bytes, how: Preprocessing) -> Taken | None:
    """Decodes and preprocesses a JPEG, without the GIL; None if it is not one for the kernel."""
    if extension is None:
        return None
    found = extension.load_jpeg(
        data, size=how.size, method=how.method, views=how.views, max_pixels=how.max_pixels
    )
    if found is None:
        return None
    pixels, width, height = found
    shape = (2, how.size, how.size, 3) if how.views == 4 else (how.size, how.size, 3)
    return Taken(np.frombuffer(pixels, np.uint8).reshape(shape), width, height)
