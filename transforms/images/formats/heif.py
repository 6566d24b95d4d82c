"""HEIF files (HEIC, as phones write them) to pixels, by libheif; runs in a helper process."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from transforms.failures import ImageError, Reason
from transforms.images.formats.boxes import end_too_early, lacks_bytes
from transforms.images.formats.pillow import rgb
from transforms.images.pixels import RGB


def size(data: bytes) -> npt.NDArray[np.int64]:
    """Columns and rows of the primary picture, upright.

    Raises:
        ImageError: truncated, corrupt or unsupported.
    """
    if lacks_bytes(data):  # of a grid the library would leave the tiles out that are missing
        raise ImageError(Reason.TRUNCATED, "HEIF data end too early")
    return np.array(_primary(data).size)


def pixels(data: bytes) -> RGB:
    """The primary picture, upright and over white; samples of more than 8 bits keep the high ones.

    Thumbnails, depth and gain maps are other pictures of the file. libheif turns and mirrors by
    the file's own properties (irot, imir); what its EXIF data say of that has been done already.

    Raises:
        ImageError: truncated, corrupt or unsupported.
    """
    image = _primary(data)
    try:
        image.load()
        if 0 in image.size:  # which may be another than the header has said
            raise ImageError(Reason.CORRUPT, "HEIF data are corrupt: a picture without pixels")
        if image.mode == "RGB":
            return np.array(image)  # a copy: the memory goes with the file
        return rgb(Image.frombytes(image.mode, image.size, image.data))
    except _HEIF_ERRORS as error:
        raise _verdict(error, data) from error


# What pi_heif says that it raises.
_HEIF_ERRORS = (EOFError, LookupError, OSError, RuntimeError, SyntaxError, ValueError)

# Parts of libheif's messages; what a file refers to may lie behind its end.
_TOO_EARLY = ("cannot read full", "end of file", "file size too small", "insufficient input")


def _primary(data: bytes) -> Any:
    """The header only; a `pi_heif.HeifImage`."""
    import pi_heif
    from pi_heif import options

    options.DECODE_THREADS = 1  # pictures are decoded side by side
    options.THUMBNAILS = options.DEPTH_IMAGES = options.AUX_IMAGES = False
    try:
        file = pi_heif.open_heif(io.BytesIO(data))
        return file[file.primary_index]
    except _HEIF_ERRORS as error:
        raise _verdict(error, data) from error


def _verdict(error: Exception, data: bytes) -> ImageError:
    text = str(error).lower()
    if "unsupported" in text or "not supported" in text:
        return ImageError(Reason.UNSUPPORTED, f"a kind of HEIF that is not supported ({error})")
    if end_too_early(data) or any(part in text for part in _TOO_EARLY):
        return ImageError(Reason.TRUNCATED, f"HEIF data end too early ({error})")
    return ImageError(Reason.CORRUPT, f"HEIF data are corrupt ({error})")
