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
from collections.abc import Iterator

from transforms.failures import ImageError, Reason

MAX_PARTS = 100_000
"""Chunks, blocks or strips of one file, a tenth of a second or so. PNG has the most of them: one
for every 8 KB of pixels."""

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
    for name, start, end in png_chunks(data):
        if name in _PNG_CHUNKS or not name.isalnum():  # a name that is none: damage
            kept.append(data[start:end])
    return b"".join(kept)


# All that decides the pixels, and which way up they are.
_PNG_CHUNKS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"eXIf", b"IEND")


def png_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Name, start and end, up to the end chunk; see the PNG specification, 5.3.

    Raises:
        ImageError: too_complex.
    """
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


def gif(data: bytes) -> tuple[bytes, int]:
    """A GIF without comments and other extensions before its first frame, and where that begins.

    That is in the file as it was; its end, if there is no frame.

    Raises:
        ImageError: too_complex.
    """
    # Header and screen, then a table of 3 bytes for each of 2 ** (n + 1) colours, if there is one.
    at = 13 + (3 << (data[10] & 7) + 1 if data[10:11] and data[10] & 128 else 0)
    kept, frame = [data[:at]], len(data)
    budget = iter(range(MAX_PARTS))
    while found := _GIF_BLOCK.search(data, at):
        if found[0] != b"!":
            kept.append(data[found.start() :])
            if found[0] == b",":
                frame = found.start()
            break
        at = _end_of_blocks(data, found.end() + 1, budget)
        if data[found.end() : found.end() + 1] == _GRAPHIC_CONTROL:
            kept.append(data[found.start() : at])
    return b"".join(kept), frame


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


def _too_complex(what: str, parts: str, limit: int) -> ImageError:
    return ImageError(Reason.TOO_COMPLEX, f"{what} with more than {limit} {parts}")
