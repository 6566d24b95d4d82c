"""What a picture may cost: its pixels, and what of its file a decoder gets to see.

Its bytes are held to their limit where they are read, in `transforms.storage.content`.

The readers of Pillow unpack every text and profile, join comments one by one and read every value
of every directory, before a pixel is asked for: small files can keep them busy for hours or make
them take gigabytes. So they get PNG and GIF files without those parts; a WebP, BMP or TIFF file
that would take too long is refused. Where damage begins, the rest stays as it is: what to make of
it is the decoder's business.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import NamedTuple

from transforms.failures import ImageError, Reason

MAX_PARTS = 100_000
"""Chunks, blocks or strips of one file, a tenth of a second or so. PNG has the most of them: one
for every 8 KB of pixels."""

MAX_DIRECTORY = 1_000
"""Entries of a TIFF directory; 20 are usual."""

MAX_RUN_LENGTH = 16 * 1024 * 1024
"""Bytes and pixels of a BMP with run lengths: Pillow decodes it in Python, 5 MB a second."""


MAX_INTERPRETED = 2_000_000
"""Pixels of a PPM that Pillow decodes in Python, 5 microseconds each: plain text, and samples whose
largest value is neither 255 nor, of grey, 65535."""


def check_pixels(width: int, height: int, *, max_pixels: int) -> None:
    """Refuses a picture before memory is spent on it.

    Raises:
        ImageError: too_many_pixels.
    """
    if width * height > max_pixels:
        raise ImageError(
            Reason.TOO_MANY_PIXELS,
            f"{width} x {height} pixels are more than the limit of {max_pixels}",
        )


def png(data: bytes) -> bytes:
    """A PNG without texts, profiles and all frames but the first.

    Raises:
        ImageError: too_complex.
    """
    kept = [data[:8]]
    for name, start, end in _png_chunks(data):
        if name in _PNG_CHUNKS or not name.isalnum():  # a name that is none: damage
            kept.append(data[start:end])
    return b"".join(kept)


# All that decides the pixels, and which way up they are.
_PNG_CHUNKS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"eXIf", b"IEND")


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Name, start and end, up to the end chunk; see the PNG specification, 5.3."""
    at = 8
    for _ in range(MAX_PARTS):
        if at >= len(data):
            return
        name, start = data[at + 4 : at + 8], at
        # Length, name and checksum take four bytes each.
        at += 12 + int.from_bytes(data[at : at + 4], "big")
        yield name, start, at
        if name == b"IEND":
            return
    raise _too_complex("a PNG", "chunks", MAX_PARTS)


def gif(data: bytes) -> bytes:
    """A GIF without comments and other extensions before its first frame.

    Raises:
        ImageError: too_complex.
    """
    # Header and screen, then a table of 3 bytes for each of 2 ** (n + 1) colours, if there is one.
    at = 13 + (3 << (data[10] & 7) + 1 if data[10:11] and data[10] & 128 else 0)
    kept = [data[:at]]
    budget = iter(range(MAX_PARTS))
    while found := _GIF_BLOCK.search(data, at):
        if found[0] != b"!":
            kept.append(data[found.start() :])
            break
        at = _end_of_blocks(data, found.end() + 1, budget)
        if data[found.end() : found.end() + 1] == _GRAPHIC_CONTROL:
            kept.append(data[found.start() : at])
    return b"".join(kept)


# An extension, a frame or the end; Pillow passes over any other byte.
_GIF_BLOCK = re.compile(rb"[!,;]")

# The extension that says which colour is transparent.
_GRAPHIC_CONTROL = b"\xf9"


def _end_of_blocks(data: bytes, at: int, budget: Iterator[int]) -> int:
    """Where a list of blocks ends, each with its length before it, an empty one at the end."""
    for _ in budget:
        length = data[at] if at < len(data) else 0
        at += 1 + length
        if not length:
            return at
    raise _too_complex("a GIF", "blocks before its first frame", MAX_PARTS)


def check_webp(data: bytes) -> None:
    """Refuses a WebP with so many chunks that a list of them takes too much memory.

    Raises:
        ImageError: too_complex.
    """
    at = 12
    for _ in range(MAX_PARTS):
        if at >= len(data):
            return
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        # RIFF pads chunks to an even length.
        at += 8 + length + length % 2
    raise _too_complex("a WebP", "chunks", MAX_PARTS)


# --- TIFF


# Bytes of one value, by its type: TIFF 6.0, section 2, and BigTIFF.
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_SIZES |= {16: 8, 17: 8, 18: 8}

# Types whose values are handed on as one string.
_OPAQUE = (1, 2, 7)


class _Layout(NamedTuple):
    """How a directory is written down: the byte order, and where BigTIFF differs."""

    order: str
    length: str
    entry: str
    offset: str

    def unpack(self, form: str, data: bytes, at: int) -> tuple[int, ...]:
        return struct.unpack_from(self.order + form, data, at)

    def number(self, form: str, data: bytes, at: int) -> int:
        """One number; 0 behind the end of the data."""
        return self.unpack(form, data, at)[0] if at + self.size(form) <= len(data) else 0

    def size(self, form: str) -> int:
        return struct.calcsize(self.order + form)


def check_tiff(data: bytes) -> None:
    """Refuses a TIFF whose first directory holds more than such a file can need.

    Honest values do not share their bytes: together they are smaller than the file.

    Raises:
        ImageError: too_complex.
    """
    order = "<" if data.startswith(b"II") else ">"
    # The number of the version: 43 (+) in BigTIFF, 42 (*) in TIFF.
    big = b"+" in data[:4]
    layout = _Layout(order, "Q", "HHQ", "Q") if big else _Layout(order, "H", "HHI", "I")
    entries = list(_directory(data, layout, 8 if big else 4))
    if sum(entry.stored for entry in entries) > len(data):
        raise _too_complex("a TIFF directory", "bytes of values", len(data))
    if sum(entry.numbers for entry in entries) > MAX_PARTS:
        raise _too_complex("a TIFF directory", "numbers", MAX_PARTS)


class _Entry(NamedTuple):
    """What an entry of a directory costs: bytes elsewhere in the file, numbers to unpack."""

    stored: int
    numbers: int


def _directory(data: bytes, layout: _Layout, at: int) -> Iterator[_Entry]:
    """The entries of the first directory, as far as Pillow reads them: up to the first damage."""
    at = layout.number(layout.offset, data, at)
    count = layout.number(layout.length, data, at)
    at += layout.size(layout.length)
    inline = layout.size(layout.offset)
    size = layout.size(layout.entry) + inline
    for number, start in enumerate(range(at, min(at + count * size, len(data) - size + 1), size)):
        if number == MAX_DIRECTORY:
            raise _too_complex("a TIFF directory", "entries", MAX_DIRECTORY)
        _, kind, values, offset = layout.unpack(layout.entry + layout.offset, data, start)
        stored = values * _SIZES.get(kind, 0)  # Pillow passes over other types
        if stored > inline and offset + stored > len(data):
            return
        numbers = values if stored and kind not in _OPAQUE else 0
        yield _Entry(stored if stored > inline else 0, numbers)


def _too_complex(what: str, parts: str, limit: int) -> ImageError:
    return ImageError(Reason.TOO_COMPLEX, f"{what} with more than {limit} {parts}")
