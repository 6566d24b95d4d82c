"""Where a file says what its colours are: an ICC profile, or the numbers that a PNG may have.

Nothing is decoded and nothing is believed: what is damaged counts as a profile that cannot be
read, never as a damaged picture.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from transforms.images.colour import boxes, space
from transforms.images.colour.icc import MAX_PROFILE, is_profile
from transforms.images.colour.space import Space
from transforms.images.formats import tiff_directory

Profile = bytes | Space
"""An ICC profile, empty if it is damaged; or a space that is known by its numbers."""

_DAMAGED = b""

_UNSPECIFIED = b"\2\2"
"""Codes of ITU-T H.273 that say nothing."""

_MAX_CHUNKS = 1_000
"""Before the pixels. Ten are usual."""


def embedded(data: bytes) -> Profile | None:
    """What a file says of its colours; None if nothing, and of GIF, BMP and JPEG XL.

    Of JPEG XL only its decoder knows, see `transforms.images.pixels.Decoded`.
    """
    if data.startswith(b"\xff\xd8\xff"):
        return _of_jpeg(data)
    if data.startswith(b"\x89PNG"):
        return _of_png(data)
    if data.startswith(b"RIFF"):
        return _of_webp(data)
    if data.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")):
        return tiff_directory.profile(data)
    if data[4:8] == b"ftyp":
        return boxes.of_heif(data)
    if data[4:8] == b"jP  ":
        return boxes.of_jpeg_2000(data)
    return None


_SOS, _APP2, _WITHOUT_CONTENT = 0xDA, 0xE2, frozenset([0x01, *range(0xD0, 0xDA)])
_ICC_MARK = b"ICC_PROFILE\0"


def _of_jpeg(data: bytes) -> bytes | None:
    """The profile from its numbered parts, ICC.1:2022, annex B.4."""
    parts: dict[int, bytes] = {}
    count = at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == _SOS:
            break
        if marker in _WITHOUT_CONTENT or marker == 0xFF:
            at += 1 if marker == 0xFF else 2
            continue
        end = at + 2 + (data[at + 2] << 8 | data[at + 3])
        if marker == _APP2 and data.startswith(_ICC_MARK, at + 4):
            content = data[at + 16 : end]
            parts[content[0] if content else 0] = content[2:]
            count = content[1] if len(content) > 1 else 0
        at = end if end > at + 3 else at + 4
    if not parts:
        return None
    whole = sorted(parts) == list(range(1, count + 1))
    return b"".join(parts[i] for i in sorted(parts)) if whole else _DAMAGED


def _of_png(data: bytes) -> Profile | None:
    """By cICP, else iCCP, sRGB, gAMA with cHRM: PNG, third edition, 4.3."""
    found: dict[bytes, bytes] = {}
    for name, content in _png_chunks(data):
        found.setdefault(name, content)
    if (coded := _coded(found.get(b"cICP", b""))) is not None:
        return coded
    profile = _inflated(found[b"iCCP"]) if b"iCCP" in found else None
    if profile:
        return profile
    if b"sRGB" in found:
        return space.SRGB
    if len(found.get(b"gAMA", b"")) == 4:
        return _by_gamma(found)
    if profile is None and found.get(b"cICP", _UNSPECIFIED)[:2] != _UNSPECIFIED:
        return _DAMAGED
    return profile


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Names and contents up to the pixels."""
    at = 8
    for _ in range(_MAX_CHUNKS):
        length, name = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        if len(name) < 4 or name == b"IDAT":
            return
        if name in (b"cICP", b"iCCP", b"sRGB", b"gAMA", b"cHRM"):
            yield name, data[at + 8 : at + 8 + length]
        at += 12 + length


def _coded(content: bytes) -> Space | None:
    """Codes of ITU-T H.273. A PNG is RGB of the full range, whatever else is said."""
    if len(content) != 4 or content[2:] != b"\0\1":
        return None
    return space.by_codes(content[0], content[1])


def _inflated(content: bytes) -> bytes:
    """A profile after its name, a 0 and the number of the only compression, another 0."""
    name, mark, rest = content.partition(b"\0")
    if not name or not mark or rest[:1] != b"\0":
        return _DAMAGED
    inflate = zlib.decompressobj()
    try:
        profile = inflate.decompress(rest[1:], MAX_PROFILE + 1)
    except zlib.error:
        return _DAMAGED
    return profile if len(profile) <= MAX_PROFILE and is_profile(profile) else _DAMAGED


def _by_gamma(found: dict[bytes, bytes]) -> Profile:
    (gamma,) = struct.unpack(">I", found[b"gAMA"])
    primaries = found.get(b"cHRM", b"")
    numbers = struct.unpack(">8I", primaries) if len(primaries) == 32 else ()
    try:
        return space.by_gamma(gamma / 100_000, tuple(number / 100_000 for number in numbers))
    except ValueError:
        return _DAMAGED


def _of_webp(data: bytes) -> bytes | None:
    """The chunk ICCP, which stands before the pixels: RFC 9649, 2.7.1."""
    if data[12:16] != b"VP8X":
        return None
    at = 12
    for _ in range(_MAX_CHUNKS):
        name, length = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        if len(name) < 4 or name in (b"VP8 ", b"VP8L", b"ANMF"):
            return None
        if name == b"ICCP":
            return data[at + 8 : at + 8 + length]
        at += 8 + length + length % 2
    return None
