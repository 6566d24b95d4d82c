"""Tries the compiled kernel of an installed quantlabel: `make wheel` runs this in a clean place."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from transforms.images.preprocess import load
from transforms.kernel import check_kernel


def main() -> None:
    """Loads a made picture both ways.

    Raises:
        UsageError: the kernel is not installed.
    """
    check_kernel("native")
    y, x = np.mgrid[0:480, 0:640]
    file = io.BytesIO()
    Image.fromarray(np.stack([x, y, x + y], axis=-1).astype(np.uint8)).save(file, "JPEG")
    native, python = (load(file.getvalue(), kernel=kernel) for kernel in ("native", "python"))
    np.testing.assert_array_equal(native.pixels, python.pixels)
    print("The compiled kernel works.")


if __name__ == "__main__":
    main()
