"""Where HEIF, AVIF and JPEG 2000 files say what their colours are: in boxes called colr.

Layout: ISO/IEC 14496-12, 8.11 and 12.1.5; ISO/IEC 23008-12, 9.3; ISO/IEC 15444-1, I.5.3.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from transforms.images.colour import space
from transforms.images.colour.space import SRGB, Space
from transforms.images.formats.boxes import boxes

_TELEVISION = (1, 6, 14, 15)
"""Transfer codes that browsers show as sRGB in these files, where many encoders write them."""

_BT_709, _SRGB, _UNSPECIFIED = 1, 13, 2
"""The first two stand for the third, in browsers too: ISO/IEC 23000-22, 7.3.6.4."""

_NAMED, _RESTRICTED, _ANY = 1, 2, 3
"""Methods of JPEG 2000: a number, or an ICC profile of one of two kinds."""

_NAMES_OF_SRGB = (16, 17, 18)
"""As it is, of grey, and as luminance and chrominance, which the decoder undoes."""

_CMYK = 12
"""Which says nothing of its inks."""

_UNREADABLE = b""


def of_heif(data: bytes) -> bytes | Space | None:
    """What the primary picture says, or its first tile: a profile rather than codes, else None.

    A profile is empty where codes are not known.
    """
    meta = _inner(data, b"meta", skip=4)
    primary = _primary(_inner(meta, b"pitm"))
    found = _of_item(meta, primary)
    return _of_item(meta, _first_tile(_inner(meta, b"iref"), primary)) if found is None else found


def of_jpeg_2000(data: bytes) -> bytes | Space | None:
    """What the header of a container says, a profile rather than a name; None of a codestream.

    A profile is empty where the name is not known.
    """
    found: bytes | Space | None = None
    for name, content in _boxes(_inner(data, b"jp2h")):
        if name == b"colr" and content[:1] in (bytes([_RESTRICTED]), bytes([_ANY])):
            return content[3:]
        if name == b"colr" and content[:1] == bytes([_NAMED]) and found is None:
            number = int.from_bytes(content[3:7], "big")
            unknown = None if number == _CMYK else _UNREADABLE
            found = SRGB if number in _NAMES_OF_SRGB else unknown
    return found


def _of_item(meta: bytes, item: int) -> bytes | Space | None:
    properties = _inner(meta, b"iprp")
    every = [(name, content) for name, content in _boxes(_inner(properties, b"ipco"))]
    found = None
    for place in _associated(_inner(properties, b"ipma"), item):
        if 0 < place <= len(every) and every[place - 1][0] == b"colr":
            colours = every[place - 1][1]
            if colours[:4] in (b"prof", b"rICC"):
                return colours[4:]
            if colours[:4] == b"nclx" and len(colours) >= 8:
                found = _coded(*struct.unpack_from(">HH", colours, 4))
    return found


def _boxes(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    for box in boxes(content):
        yield box.kind, content[box.start : box.end]


def _inner(content: bytes, kind: bytes, *, skip: int = 0) -> bytes:
    """The content of the first box of a kind, without the first bytes; empty if there is none."""
    return next((found[skip:] for name, found in _boxes(content) if name == kind), b"")


def _primary(pitm: bytes) -> int:
    """The number of the primary picture."""
    return int.from_bytes(pitm[4:] if pitm[:1] == b"\1" else pitm[4:6], "big")


def _first_tile(iref: bytes, item: int) -> int:
    """The number of the first picture that an item is put together from; 0 if there is none."""
    size = 4 if iref[:1] >= b"\1" else 2
    for name, content in _boxes(iref[4:]):
        if name == b"dimg" and int.from_bytes(content[:size], "big") == item:
            return int.from_bytes(content[size + 2 : 2 * size + 2], "big")
    return 0


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


def _coded(primaries: int, transfer: int) -> bytes | Space | None:
    if primaries == transfer == _UNSPECIFIED:
        return None
    primaries = _BT_709 if primaries == _UNSPECIFIED else primaries
    transfer = _SRGB if transfer in (_UNSPECIFIED, *_TELEVISION) else transfer
    known = space.by_codes(primaries, transfer)
    return _UNREADABLE if known is None else known
