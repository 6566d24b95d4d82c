"""Which way up a picture is: the one entry of its EXIF data that matters here."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import numpy.typing as npt
from PIL import Image

_ORIENTATION_TAG = 0x0112
_JPEG = b"\xff\xd8\xff"
_PNG = b"\x89PNG\r\n\x1a\n"
# Its mark and its first chunk.
_PNG_HEADER = 33


def exif_orientation(exif: object) -> int:
    """EXIF orientation 1..8; 1 where there is none or it makes no sense.

    Reads the one entry of the first directory and nothing else: broken EXIF data are common and no
    reason to refuse a picture. Layout: TIFF 6.0, section 2.
    """
    if not isinstance(exif, bytes):
        return 1
    # A JPEG has this name before it, PNG and WebP usually have not.
    tiff = exif[6:] if exif.startswith(b"Exif\0\0") else exif
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    if order is None or len(tiff) < 8:
        return 1
    (directory,) = struct.unpack_from(order + "I", tiff, 4)
    (count,) = struct.unpack(order + "H", tiff[directory : directory + 2].ljust(2, b"\0"))
    entries = tiff[directory + 2 : directory + 2 + 12 * count]
    for start in range(0, len(entries) - 11, 12):
        tag, kind = struct.unpack_from(order + "HH", entries, start)
        if tag == _ORIENTATION_TAG:
            # The standard says SHORT; some programs write LONG (4).
            (value,) = struct.unpack_from(order + ("I" if kind == 4 else "H"), entries, start + 8)
            return int(value) if 1 <= value <= 8 else 1
    return 1


def upright(pixels: npt.NDArray[np.uint8], orientation: int) -> npt.NDArray[np.uint8]:
    """Turns and mirrors by EXIF orientation, as a view."""
    if orientation > 4:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels


def with_orientation(data: bytes, orientation: int) -> bytes | None:
    """A JPEG or PNG file with EXIF data that say its orientation.

    Returns:
        None for a file of another format, and for one that says its orientation itself: what a
        picture says counts more than what is said of it.
    """
    tiff = b"MM\0*\0\0\0\x08" + struct.pack(
        ">HHHIHHI", 1, _ORIENTATION_TAG, 3, 1, orientation, 0, 0
    )
    if data.startswith(_JPEG):
        exif = b"Exif\0\0" + tiff
        segment = b"\xff\xe1" + struct.pack(">H", 2 + len(exif)) + exif
        new = data[:2] + segment + data[2:]
    elif data.startswith(_PNG) and data[12:16] == b"IHDR":
        chunk = b"eXIf" + tiff
        new = data[:_PNG_HEADER] + struct.pack(">I", len(tiff)) + chunk
        new += struct.pack(">I", zlib.crc32(chunk)) + data[_PNG_HEADER:]
    else:
        return None
    return None if _says_its_orientation(data) else new


def _says_its_orientation(data: bytes) -> bool:
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG", "PNG")) as image:
            return _ORIENTATION_TAG in image.getexif()
    except (
        *(OSError, ValueError, SyntaxError, LookupError, struct.error),
        Image.DecompressionBombError,
    ):
        return True  # whoever decodes it will say what is wrong
