"""Where HEIF, AVIF and JPEG 2000 files say what their colours are: in boxes called colr.

Layout: ISO/IEC 14496-12, 8.11 and 12.1.5; ISO/IEC 23008-12, 9.3; ISO/IEC 15444-1, I.5.3.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from transforms.images.colour import space
from transforms.images.colour.space import Space
from transforms.images.formats.boxes import boxes

_TELEVISION = (1, 6, 14, 15)
"""Transfer codes that browsers show as sRGB in these files, where many encoders write them."""

_SRGB = 13

_RESTRICTED, _ANY = 2, 3
"""Methods of JPEG 2000 that mean an ICC profile."""


def of_heif(data: bytes) -> bytes | Space | None:
    """What the primary picture says: a profile rather than codes, else None."""
    meta = _inner(data, b"meta", skip=4)
    properties = _inner(meta, b"iprp")
    every = [(name, content) for name, content in _boxes(_inner(properties, b"ipco"))]
    found = None
    for place in _associated(_inner(properties, b"ipma"), _primary(_inner(meta, b"pitm"))):
        if 0 < place <= len(every) and every[place - 1][0] == b"colr":
            colours = every[place - 1][1]
            if colours[:4] in (b"prof", b"rICC"):
                return colours[4:]
            if colours[:4] == b"nclx" and len(colours) >= 8:
                found = _coded(*struct.unpack_from(">HH", colours, 4))
    return found


def of_jpeg_2000(data: bytes) -> bytes | None:
    """The profile in the header of a container; None of a codestream, and of sRGB by its name."""
    for name, content in _boxes(_inner(data, b"jp2h")):
        if name == b"colr" and content[:1] in (bytes([_RESTRICTED]), bytes([_ANY])):
            return content[3:]
    return None


def _boxes(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    for box in boxes(content):
        yield box.kind, content[box.start : box.end]


def _inner(content: bytes, kind: bytes, *, skip: int = 0) -> bytes:
    """The content of the first box of a kind, without the first bytes; empty if there is none."""
    return next((found[skip:] for name, found in _boxes(content) if name == kind), b"")


def _primary(pitm: bytes) -> int:
    """The number of the primary picture."""
    return int.from_bytes(pitm[4:] if pitm[:1] == b"\1" else pitm[4:6], "big")


def _associated(ipma: bytes, item: int) -> list[int]:
    """The places of an item's properties, from 1; those of a damaged list as far as they go."""
    wide_item, wide_place = ipma[:1] >= b"\1", bool(ipma[3:4] and ipma[3] & 1)
    at = 8
    item_bytes, place_bytes = (4 if wide_item else 2), (2 if wide_place else 1)
    while at + item_bytes < len(ipma):
        number, count = int.from_bytes(ipma[at : at + item_bytes], "big"), ipma[at + item_bytes]
        at += item_bytes + 1
        end = at + count * place_bytes
        if number == item:
            mask = 0x7FFF if wide_place else 0x7F
            starts = range(at, min(end, len(ipma)), place_bytes)
            return [int.from_bytes(ipma[i : i + place_bytes], "big") & mask for i in starts]
        at = end
    return []


def _coded(primaries: int, transfer: int) -> Space | None:
    return space.by_codes(primaries, _SRGB if transfer in _TELEVISION else transfer)
