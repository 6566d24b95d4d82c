"""Damage that knows where the parts of a file are: segments, chunks, blocks, entries.

What comes out is well-formed piece by piece, and gets further into a decoder than bytes at random.
"""

from __future__ import annotations

import itertools
import random
import struct
import zlib
from collections.abc import Callable, Sequence


def rearranged(data: bytes, other: bytes, chance: random.Random) -> bytes:
    """A file whose parts are shuffled, repeated, dropped, or taken from another file.

    Args:
        data: of any format that `parts` knows; others come back as they are.
        other: where foreign parts are taken from, if it is of the same format.
        chance: decides.
    """
    if data[:4] in (b"II*\0", b"MM\0*"):
        return _tiff(bytearray(data), chance)
    pieces = parts(data)
    if len(pieces) < 3:
        return data
    foreign = parts(other) if other[:3] == data[:3] else pieces
    for _ in range(chance.choice((1, 1, 2, 4))):
        at, to = (chance.randrange(1, len(pieces)) for _ in range(2))
        what = chance.randrange(5)
        if what == 0:
            pieces[at], pieces[to] = pieces[to], pieces[at]
        elif what == 1:
            pieces[at:at] = [pieces[to]] * chance.choice((1, 2, 50, 2000))
        elif what == 2 and len(pieces) > 3:
            del pieces[at]
        elif what == 3:
            pieces.insert(at, foreign[chance.randrange(len(foreign))])
        else:
            pieces[at] = _inside(pieces[at], chance)
    joined = b"".join(pieces)
    if data.startswith(b"RIFF"):
        return joined[:4] + struct.pack("<I", len(joined) - 8) + joined[8:]
    return joined


def parts(data: bytes) -> list[bytes]:
    """A file cut where its parts begin, the signature first; one of another format is whole."""
    for signature, cut in _CUTS.items():
        if data.startswith(signature) or data.startswith(signature, _KIND):
            places = sorted({0, *(at for at in cut(data) if at < len(data)), len(data)})
            return [data[i:j] for i, j in itertools.pairwise(places)]
    return [data]


def _jpeg(data: bytes) -> list[int]:
    places, at = [2], 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        if data[at + 1] == 0xDA:
            at = data.find(b"\xff", at + 2)
            while 0 <= at < len(data) - 1 and data[at + 1] in (0, *range(0xD0, 0xD8)):
                at = data.find(b"\xff", at + 2)
            if at < 0:
                break
        else:
            at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        places.append(at)
    return places


def _png(data: bytes) -> list[int]:
    places = [8]
    while places[-1] + 12 <= len(data):
        places.append(places[-1] + 12 + int.from_bytes(data[places[-1] :][:4], "big"))
    return places


def _webp(data: bytes) -> list[int]:
    places = [12]
    while places[-1] + 8 <= len(data):
        length = int.from_bytes(data[places[-1] + 4 :][:4], "little")
        places.append(places[-1] + 8 + length + length % 2)
    return places


def _gif(data: bytes) -> list[int]:
    """Extensions and frames, each with its blocks."""
    at = 13 + (3 << (data[10] & 7) + 1 if data[10] & 128 else 0)
    places = [at]
    while at < len(data) and data[at] in b"!,":
        if data[at] == ord(","):
            flags = data[at + 9] if at + 9 < len(data) else 0
            at += 11 + (3 << (flags & 7) + 1 if flags & 128 else 0)
        else:
            at += 2
        while at < len(data) and data[at]:
            at += 1 + data[at]
        at += 1
        places.append(at)
    return places


_KIND, _BOX_HEAD = 4, 8

_FULL_HEAD = {b"meta": 4, b"iref": 4}
"""Boxes of boxes with a version in front, and its length."""

_BOXES_WITHIN = {
    b"iprp",
    b"ipco",
    b"jp2h",
    b"moov",
    b"trak",
    b"mdia",
    b"minf",
    b"stbl",
    *_FULL_HEAD,
}


def _boxes(data: bytes) -> list[int]:
    """Boxes, and those within the ones that hold nothing else: their lengths are then wrong."""
    places: list[int] = []
    waiting = [(0, len(data))]
    while waiting:
        at, end = waiting.pop()
        while at + _BOX_HEAD <= end:
            places.append(at)
            length, kind = int.from_bytes(data[at : at + _KIND], "big"), data[at + _KIND :][:4]
            length = length if length >= _BOX_HEAD else end - at
            if kind in _BOXES_WITHIN:
                waiting.append((at + _BOX_HEAD + _FULL_HEAD.get(kind, 0), at + length))
            at += length
    return places


def _jpeg_2000(data: bytes) -> list[int]:
    """The segments in front of the first tile, and the tiles."""
    places, at = [2], 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] not in (0x93, 0xD9):
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        places.append(at)
    while (at := data.find(b"\xff\x90\0\x0a", at + 1)) >= 0:
        places.append(at)
    return places


_CUTS: dict[bytes, Callable[[bytes], list[int]]] = {
    b"\xff\xd8": _jpeg,
    b"\x89PNG": _png,
    b"RIFF": _webp,
    b"GIF8": _gif,
    b"\xff\x4f": _jpeg_2000,
    b"ftyp": _boxes,
    b"jP  ": _boxes,
    b"JXL ": _boxes,
}
"""By the first bytes, or those behind the length of a box."""


def _inside(piece: bytes, chance: random.Random) -> bytes:
    """A part with a few other bytes behind its head, and a checksum that fits if it is a chunk."""
    changed = bytearray(piece)
    for _ in range(chance.choice((1, 2, 8))):
        if len(changed) > 4:
            changed[chance.randrange(4, len(changed))] = chance.choice((0, 1, 127, 128, 255))
    if len(changed) >= 12 and int.from_bytes(changed[:4], "big") == len(changed) - 12:
        changed[-4:] = struct.pack(">I", zlib.crc32(changed[4:-4]))
    return bytes(changed)


_NUMBERS: Sequence[int] = (
    0,
    1,
    2,
    3,
    4,
    5,
    7,
    8,
    9,
    16,
    19,
    23,
    255,
    256,
    32946,
    65535,
    2**31,
    2**32 - 1,
)


def _tiff(data: bytearray, chance: random.Random) -> bytes:
    """Other values, types and counts in the directory; offsets that lead back to it."""
    order = "<" if data.startswith(b"II") else ">"
    (start,) = struct.unpack_from(order + "I", data, 4)
    if start + 2 > len(data):
        return bytes(data)
    (count,) = struct.unpack_from(order + "H", data, start)
    entries = [at for at in range(start + 2, start + 2 + 12 * count, 12) if at + 12 <= len(data)]
    for _ in range(chance.choice((1, 1, 2, 3))):
        if not entries:
            break
        at, what = chance.choice(entries), chance.randrange(6)
        if what == 0:
            struct.pack_into(order + "H", data, at + 2, chance.randrange(19))
        elif what == 1:
            struct.pack_into(order + "I", data, at + 4, chance.choice(_NUMBERS))
        elif what == 2:
            struct.pack_into(order + "I", data, at + 8, chance.choice((*_NUMBERS, start, at)))
        elif what == 3:
            other = chance.choice(entries)
            data[at : at + 12], data[other : other + 12] = data[other:][:12], data[at:][:12]
        elif what == 4:
            struct.pack_into(
                order + "H", data, at, chance.choice((254, 266, 278, 284, 317, 330, 347, 34665))
            )
        else:  # a directory that follows itself
            end = start + 2 + 12 * count
            data[end : end + 4] = struct.pack(order + "I", start)
    return bytes(data)
