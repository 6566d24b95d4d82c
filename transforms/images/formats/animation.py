"""The first frame of an animation, as a browser shows it.

It may be smaller than the canvas, around it there is nothing, which is white here. Pillow fills the
rest of a GIF with a colour of the palette, that of a WebP with black, and of a PNG it may show a
picture for programs that know no animations.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from transforms.images.pixels import RGB

PngChunk = tuple[bytes, int, int]
"""Name, start and end in the file."""


class Frame(NamedTuple):
    """Where the first frame is, in pixels.

    Attributes:
        left: columns before it.
        top: rows above it.
        width: its columns.
        height: its rows.
        canvas: columns and rows of the whole picture.
    """

    left: int
    top: int
    width: int
    height: int
    canvas: tuple[int, int]

    @property
    def is_part(self) -> bool:
        """Whether it lies on the canvas and leaves some of it free."""
        right, bottom = self.left + self.width, self.top + self.height
        inside = right <= self.canvas[0] and bottom <= self.canvas[1]
        return inside and (self.width, self.height) != self.canvas

    def on_white(self, pixels: RGB) -> RGB:
        """The canvas, white where the frame is not.

        Args:
            pixels: of the frame alone, or of a canvas on which it is in its place.
        """
        rows = slice(self.top, self.top + self.height)
        columns = slice(self.left, self.left + self.width)
        alone = pixels.shape[:2] == (self.height, self.width)
        whole = np.full((self.canvas[1], self.canvas[0], 3), 255, np.uint8)
        whole[rows, columns] = pixels if alone else pixels[rows, columns]
        return whole


def of_gif(data: bytes, descriptor: int) -> Frame | None:
    """Args: the file, and where the first image descriptor begins (GIF89a, section 20)."""
    if descriptor + 9 > len(data):
        return None
    left, top, width, height = struct.unpack_from("<4H", data, descriptor + 1)
    frame = Frame(left, top, width, height, struct.unpack_from("<2H", data, 6))
    return frame if frame.is_part else None


_ANIMATED, _ALPHA = 0x02, 0x10
"""Flags of the chunk VP8X, RFC 9649, 2.7.1."""


def with_alpha(webp: bytes) -> bytes:
    """An animated WebP that says that it is transparent: around its first frame it may be."""
    if webp[12:16] == b"VP8X" and webp[20:21] and webp[20] & _ANIMATED:
        return webp[:20] + bytes([webp[20] | _ALPHA]) + webp[21:]
    return webp


def of_png(data: bytes, chunks: Iterable[PngChunk]) -> tuple[bytes, Frame] | None:
    """The first frame of an animated PNG as a PNG, if the picture that others see is none of them.

    Args:
        data: the file.
        chunks: all of it.

    Returns:
        None if the file is no animation, or begins with the picture that others see, or is not as
        PNG, third edition, 11.3.6 wants it: browsers show that picture then.
    """
    head: list[bytes] = []
    content: list[bytes] = []
    control: tuple[int, ...] | None = None
    animated = seen = False
    for name, start, end in chunks:
        if name == b"acTL" and not seen:
            animated = True
        elif name == b"fcTL" and content:
            break
        elif name == b"fcTL":
            if not seen or control is not None or end - start != 38 or end > len(data):
                return None
            control = struct.unpack_from(">4I", data, start + 12)
        elif name == b"fdAT" and control is not None:
            content.append(data[start + 12 : end - 4])
        elif name == b"IDAT":
            if not animated:
                return None
            seen = True
        elif not seen and name in (b"PLTE", b"tRNS", b"eXIf"):
            head.append(data[start:end])
    if control is None or not content or data[12:16] != b"IHDR":
        return None
    frame = Frame(control[2], control[3], control[0], control[1], struct.unpack(">II", data[16:24]))
    covers = (frame.left, frame.top, frame.width, frame.height) == (0, 0, *frame.canvas)
    if not (covers or frame.is_part) or 0 in control[:2]:
        return None
    header = _chunk(b"IHDR", struct.pack(">II", *control[:2]) + data[24:29])
    pixels = _chunk(b"IDAT", b"".join(content))
    return b"".join([data[:8], header, *head, pixels, _chunk(b"IEND", b"")]), frame


def _chunk(name: bytes, body: bytes) -> bytes:
    checksum = zlib.crc32(name + body)
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", checksum)
