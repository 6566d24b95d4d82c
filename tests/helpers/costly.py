"""Small files of many pixels: nothing is lost, and nearly nothing is in them."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from PIL import Image

from tests.helpers.encoded import encoded, png, png_chunk
from tests.helpers.hostile import bmp_rle


def _lines(rows: int, size: int) -> bytes:
    """So many lines of black pixels of a PNG, compressed."""
    packer = zlib.compressobj(1)
    return b"".join([*(packer.compress(bytes(1 + size)) for _ in range(rows)), packer.flush()])


def black_png(width: int, height: int, *, depth: int, colour: int, channels: int = 1) -> bytes:
    """A PNG of zeros; `depth` and `colour` as in its header."""
    lines = _lines(height, -(-width * depth * channels // 8))
    chunks = png_chunk(b"IDAT", lines)
    return png(width, height, depth=depth, colour=colour, chunks=chunks)


def costly(side: int) -> Iterator[tuple[str, bytes]]:
    """Small files of side x side pixels, each of a kind of its own."""
    yield "1.png", black_png(side, side, depth=1, colour=0)
    yield "8.png", black_png(side, side, depth=8, colour=0)
    yield "16.png", black_png(side, side, depth=16, colour=6, channels=4)
    grey = Image.new("L", (side, side), 70)
    yield "picture.gif", encoded(grey, "GIF", transparency=70)
    yield "grey.bmp", encoded(grey.convert("1"), "BMP")
    yield "grey.tif", encoded(grey, "TIFF", compression="tiff_adobe_deflate")
    fax = {"compression": "group4", "tiffinfo": {278: min(side, 5_000)}}
    yield "fax.tif", encoded(grey.convert("1"), "TIFF", **fax)
    colour = Image.new("RGBA", (side, side), (5, 9, 200, 7))
    yield "colour.tif", encoded(colour, "TIFF", compression="tiff_adobe_deflate")
    yield "colour.webp", encoded(colour, "WEBP", lossless=True, method=0)
    run_length = min(side, 3_900)  # of more, Pillow's decoder in Python would take too long
    row = b"\xff\1" * (run_length // 255) + bytes([run_length % 255, 1]) + b"\0\0"
    yield "run-length.bmp", bmp_rle(run_length, run_length, row * run_length + b"\0\1")
