"""Encoded pictures that tests of the decoder make for themselves."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from tests.helpers.root import ROOT
from transforms.failures import ImageError
from transforms.images.decode import decode


def waves(height: int, width: int, *, period: float = 40.0) -> npt.NDArray[np.uint8]:
    """uint8[height, width, 3], smooth, different in every channel and every direction."""
    y, x = np.mgrid[0:height, 0:width] * (2 * np.pi / period)
    channels = np.sin(x) + np.cos(0.7 * y), np.sin(x + y), np.cos(0.5 * x - y) + np.sin(x)
    return np.rint(127.5 + 60 * np.stack(channels, axis=-1)).astype(np.uint8)


def encoded(pixels: npt.NDArray[Any] | Image.Image, encoding: str, **options: Any) -> bytes:
    """The picture as the content of a file, written by Pillow."""
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    file = io.BytesIO()
    image.save(file, encoding, **options)
    return file.getvalue()


def sample(name: str) -> bytes:
    """A file of tests/data/pictures, see scripts/make_test_pictures.py."""
    return (ROOT / "tests" / "data" / "pictures" / name).read_bytes()


def difference(one: npt.NDArray[Any], other: npt.NDArray[Any]) -> float:
    """How far the samples of two pictures are apart, on average."""
    return float(np.abs(one.astype(np.float64) - other).mean())


def orientation_exif(value: int) -> Image.Exif:
    """EXIF data that hold nothing but an orientation."""
    exif = Image.Exif()
    exif[0x0112] = value
    return exif


def png_chunk(name: bytes, content: bytes) -> bytes:
    """One chunk of a PNG file, with its length and checksum."""
    checksum = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum)


def png(width: int, height: int, *, depth: int, colour: int, chunks: bytes) -> bytes:
    """A PNG file made by hand: signature, IHDR, `chunks`, IEND."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + chunks + png_chunk(b"IEND", b"")


def grey_tiff(
    width: int,
    height: int,
    *,
    bits: int,
    content: bytes,
    order: str = ">",
    tags: Mapping[int, int] | None = None,
) -> bytes:
    """A grey TIFF file made by hand, in either byte order: header, pixels, directory.

    Tags of the caller are added, or replace those that are written without them.
    """
    entries = {256: width, 257: height, 258: bits, 259: 1, 262: 1, 273: 8, 279: len(content)}
    entries |= tags or {}
    directory = struct.pack(order + "H", len(entries))
    for tag in sorted(entries):
        directory += struct.pack(order + "HHII", tag, 4, 1, entries[tag])
    header = b"MM\0*" if order == ">" else b"II*\0"
    return header + struct.pack(order + "I", 8 + len(content)) + content + directory + bytes(4)


def lossless_jpeg(pixels: npt.NDArray[np.uint8]) -> bytes:
    """A grey JPEG of the lossless process (ITU-T T.81, annex H), each pixel predicted by its left.

    Args:
        pixels: uint8[height, width].
    """
    height, width = pixels.shape
    before = np.empty((height, width), np.int64)
    before[:, 1:] = pixels[:, :-1]
    before[1:, 0] = pixels[:-1, 0]
    before[0, 0] = 128
    bits = "".join(map(_lossless_code, (pixels - before).ravel().tolist()))
    bits += "1" * (-len(bits) % 8)
    content = int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\0")
    frame = struct.pack(">BHHBBBB", 8, height, width, 1, 1, 0x11, 0)
    codes = bytes([0, 0, 0, 0, 9]).ljust(17, b"\0") + bytes(range(9))  # nine of four bits
    segments = ((0xC3, frame), (0xC4, codes), (0xDA, bytes([1, 1, 0, 1, 0, 0])))
    return b"".join(
        [
            b"\xff\xd8",
            *(struct.pack(">BBH", 0xFF, name, len(body) + 2) + body for name, body in segments),
            content + b"\xff\xd9",
        ]
    )


def _lossless_code(difference: int) -> str:
    """The number of its bits in four, then the bits; of a negative one those of one less."""
    count = abs(difference).bit_length()
    value = difference if difference >= 0 else difference + (1 << count) - 1
    return f"{count:04b}" + (f"{value:0{count}b}" if count else "")


WAVES = waves(37, 41)


def refusal(data: bytes, **options: Any) -> str:
    with pytest.raises(ImageError) as raised:
        decode(data, **options)
    return raised.value.reason.value


def pillow_pixels(data: bytes) -> npt.NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


JPEGS: dict[str, bytes] = {
    "baseline": encoded(WAVES, "JPEG"),
    "progressive": encoded(WAVES, "JPEG", progressive=True),
    "restart": encoded(WAVES, "JPEG", restart_marker_blocks=2),
    "4:4:4": encoded(WAVES, "JPEG", subsampling="4:4:4"),
    "4:2:2": encoded(WAVES, "JPEG", subsampling="4:2:2"),
    "rgb": encoded(WAVES, "JPEG", keep_rgb=True),
    "grey": encoded(WAVES[..., 0], "JPEG"),
    "cmyk": encoded(Image.fromarray(WAVES).convert("CMYK"), "JPEG"),
}


STORED = np.array([[1, 2, 3], [4, 5, 6]], np.uint8) * 40


UPRIGHT = {
    1: [[1, 2, 3], [4, 5, 6]],
    2: [[3, 2, 1], [6, 5, 4]],
    3: [[6, 5, 4], [3, 2, 1]],
    4: [[4, 5, 6], [1, 2, 3]],
    5: [[1, 4], [2, 5], [3, 6]],
    6: [[4, 1], [5, 2], [6, 3]],
    7: [[6, 3], [5, 2], [4, 1]],
    8: [[3, 6], [2, 5], [1, 4]],
}
