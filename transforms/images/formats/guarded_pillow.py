"""Formats that Pillow reads by libraries that nobody has hardened; runs in a helper process."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile

from transforms.failures import ImageError, Reason
from transforms.images.formats.boxes import boxes, end_too_early
from transforms.images.formats.pillow import PILLOW_ERRORS, load, orientation, rgb, verdict
from transforms.images.orientation import upright
from transforms.images.pixels import RGB

CODESTREAM = b"\xff\x4f\xff\x51"
"""JPEG 2000 without a container: its first two markers, SOC and SIZ."""

_END = b"\xff\xd9"

# Without which there is no picture.
_MAIN_BOX = {"AVIF": b"meta", "JPEG2000": b"jp2c"}


def size(kind: str, data: bytes) -> npt.NDArray[np.int64]:
    """Columns and rows as stored, from the header.

    Raises:
        ImageError: truncated, corrupt or unsupported.
    """
    if kind == "JPEG2000":
        _check_depth(data)
    return np.array(_open(kind, data).size)


def pixels(kind: str, data: bytes) -> RGB:
    """The first picture, upright and over white.

    Of AVIF, Pillow hands on the file's own orientation (irot, imir) in place of that of its EXIF
    data, which is to be ignored.

    Raises:
        ImageError: truncated, corrupt or unsupported.
    """
    image = _open(kind, data)
    try:
        loaded = load(kind, image)
        found = rgb(_spread(loaded, _depths(data)) if kind == "JPEG2000" else loaded)
    except ImageError as error:
        raise _true_reason(kind, data, error) from error
    return upright(found, orientation(image)) if kind == "AVIF" else found


def _reader(kind: str) -> type[ImageFile.ImageFile]:
    """Imported here, because the program itself has no use for them."""
    if kind == "AVIF":
        from PIL import AvifImagePlugin

        AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # pictures are decoded side by side
        return AvifImagePlugin.AvifImageFile
    from PIL import Jpeg2KImagePlugin

    return Jpeg2KImagePlugin.Jpeg2KImageFile


def _open(kind: str, data: bytes) -> ImageFile.ImageFile:
    try:
        return _reader(kind)(io.BytesIO(data))
    except PILLOW_ERRORS as error:
        raise _true_reason(kind, data, verdict(kind, error, ended=False)) from error


def _true_reason(kind: str, data: bytes, error: ImageError) -> ImageError:
    """The error, or that the file ends too early, which the libraries do not tell from damage."""
    if data.startswith(CODESTREAM):
        ended = not data.endswith(_END)
    else:
        main = _MAIN_BOX[kind]
        ended = end_too_early(data) or all(box.kind != main for box in boxes(data))
    if error.reason is Reason.CORRUPT and ended:
        return ImageError(Reason.TRUNCATED, f"{kind} data end too early ({error})")
    return error


def _depths(data: bytes) -> list[int]:
    """Bits of each component, as the marker SIZ says: ITU-T T.800, A.5.1."""
    start = 0
    if not data.startswith(CODESTREAM):
        start = next((box.start for box in boxes(data) if box.kind == b"jp2c"), len(data))
    components = int.from_bytes(data[start + 40 : start + 42], "big")
    return [1 + (depth & 0x7F) for depth in data[start + 42 : start + 42 + 3 * components : 3]]


def _check_depth(data: bytes) -> None:
    """Refuses more than 8 bits in colour: Pillow rounds them up, and makes white black."""
    depths = _depths(data)
    if len(depths) > 1 and any(depth > 8 for depth in depths):
        text = f"JPEG 2000 in colour with {max(depths)} bits a sample"
        raise ImageError(Reason.UNSUPPORTED, text)


def _spread(image: Image.Image, depths: Sequence[int]) -> Image.Image:
    """Components of fewer than 8 bits over the whole byte: Pillow leaves zeros behind them."""
    bands = image.getbands()
    if min(depths, default=8) >= 8 or len(depths) != len(bands):
        return image
    if bands[0] == "P":  # whose places in the palette were moved, too
        raise ImageError(Reason.UNSUPPORTED, f"JPEG 2000 with a palette and {depths[0]} bits")
    return image.point(
        [(byte >> 8 - bits) * 255 // ((1 << bits) - 1) for bits in depths for byte in range(256)]
    )
