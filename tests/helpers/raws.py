"""Camera raw files, made by hand from the rules that cameras follow; none holds a sensor's data."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence

from tests.helpers.encoded import encoded, waves

SMALL = encoded(waves(60, 90), "JPEG")
"""A JPEG to look at."""


def directories(
    parts: Sequence[Mapping[int, Sequence[int] | bytes]],
    *,
    order: str = "<",
    mark: bytes = b"*\0",
    children: int = 0,
    extra: bytes = b"",
) -> bytes:
    """Directories one after the other; bytes are stored and their place is the value.

    Args:
        parts: tags of each.
        order: of bytes.
        mark: behind the first two letters.
        children: how many of the last ones are children (330) of the first.
        extra: behind the header.
    """
    start = 8 + len(extra)
    body, places = extra, []
    blobs: list[dict[int, Sequence[int]]] = []
    for part in parts:
        values: dict[int, Sequence[int]] = {}
        for tag, value in part.items():
            if isinstance(value, bytes):
                values[tag] = [8 + len(body)]
                body += value + bytes(len(value) % 2)
            else:
                values[tag] = value
        blobs.append(values)
    if children:
        blobs[0][330] = [0] * children
    at = 8 + len(body)
    sizes = [6 + 12 * len(values) for values in blobs]
    places = [at + sum(sizes[:i]) for i in range(len(blobs))]
    behind_at = at + sum(sizes)
    behind = b""
    last_in_row = len(blobs) - children - 1
    if children:
        blobs[0][330] = places[-children:]
    out = b""
    for i, values in enumerate(blobs):
        out += struct.pack(order + "H", len(values))
        for tag in sorted(values):
            packed = struct.pack(f"{order}{len(values[tag])}I", *values[tag])
            if len(packed) > 4:
                packed, behind = struct.pack(order + "I", behind_at + len(behind)), behind + packed
            out += struct.pack(order + "HHI", tag, 4, len(values[tag])) + packed
        out += struct.pack(order + "I", places[i + 1] if i < last_in_row else 0)
    assert start <= at
    letters = b"II" + mark if order == "<" else b"MM" + mark[::-1]
    return letters + struct.pack(order + "I", at) + body + out + behind


def dng(jpeg: bytes, *, size: tuple[int, int] = (186, 124), order: str = "<", **more: int) -> bytes:
    """A preview, then the sensor's data and a JPEG as children: as DNG and NEF are laid out."""
    preview = {254: [1], 256: [16], 257: [12], 259: [1], 262: [2], 273: bytes(576), 279: [576]}
    preview |= {274: [more.get("orientation", 1)]}
    sensor = {254: [0], 256: [size[0]], 257: [size[1]], 259: [7], 262: [32803]}
    whole = {254: [1], 513: jpeg, 514: [len(jpeg)]}
    return directories([preview, sensor, whole], children=2, order=order)


def cr2(jpeg: bytes, *, size: tuple[int, int] = (184, 122), orientation: int = 1) -> bytes:
    """The JPEG in front, a small one, and the sensor's data as a JPEG of two components."""
    sof3 = struct.pack(">BHHB", 14, size[1], size[0] // 2, 2) + bytes(6)
    sensor = b"\xff\xd8\xff\xc3" + struct.pack(">H", 2 + len(sof3)) + sof3
    parts = [
        {256: [size[0]], 257: [size[1]], 259: [6], 273: jpeg, 279: [len(jpeg)], 274: [orientation]},
        {513: SMALL, 514: [len(SMALL)]},
        {259: [6], 273: sensor, 279: [len(sensor)]},
    ]
    return directories(parts, extra=b"CR\2\0" + bytes(4))


def rw2(jpeg: bytes, *, size: tuple[int, int] = (184, 120)) -> bytes:
    """Borders of the sensor's picture, and the JPEG up to the end: as Panasonic lays it out."""
    width, height = size
    borders = {4: [4], 5: [8], 6: [4 + height], 7: [8 + width]}
    return directories([{2: [200], 3: [130], **borders, 46: jpeg}], mark=b"U\0")


def raf(jpeg: bytes, *, size: tuple[int, int] = (184, 122)) -> bytes:
    """A header of its own, the JPEG, and tags of which one is the size: as Fuji lays it out."""
    tags = struct.pack(">IHHHHHHHH", 2, 0x100, 4, 130, 200, 0x111, 4, *size[::-1])
    head = b"FUJIFILMCCD-RAW 0201".ljust(84, b"\0")
    return (
        head + struct.pack(">III", 100, len(jpeg), 100 + len(jpeg)).ljust(16, b"\0") + jpeg + tags
    )


def _box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", 8 + len(content)) + kind + content


def cr3(jpeg: bytes, *, size: tuple[int, int] = (188, 126), orientation: int = 1) -> bytes:
    """Tracks of a film, the first of which is the JPEG, and a box of the camera's own."""
    first = b"II*\0" + struct.pack("<IHHHIII", 8, 1, 274, 3, 1, orientation, 0)
    own = _box(b"uuid", bytes(16) + _box(b"CMT1", first))

    def track(size: tuple[int, int], place: int, length: int) -> bytes:
        entry = struct.pack(">I", 90) + b"CRAW" + bytes(24) + struct.pack(">HH", *size) + bytes(54)
        table = _box(b"stsd", bytes(8) + entry)
        table += _box(b"stsz", struct.pack(">III", 0, length, 1))
        table += _box(b"co64", struct.pack(">IIQ", 0, 1, place))
        return _box(b"trak", _box(b"mdia", _box(b"minf", _box(b"stbl", table))))

    def head(place: int) -> bytes:
        tracks = track(size, place, len(jpeg)) + track(size, 0, 0)
        mdat = struct.pack(">I", 8 + len(jpeg)) + b"mdat"
        return _box(b"ftyp", b"crx " + bytes(12)) + _box(b"moov", own + tracks) + mdat

    return head(len(head(0))) + jpeg


def orf(
    jpeg: bytes, *, size: tuple[int, int] = (186, 124), brand: str = "OLYMPUS", **more: int
) -> bytes:
    """A sensor's data, EXIF data, and in the maker's note a JPEG, as Olympus lays it out.

    Args:
        jpeg: the one of the note.
        size: of the sensor's data.
        brand: OLYMPUS, or OM SYSTEM as newer ones have it.
        more: `orientation`.
    """
    mark = {"OLYMPUS": b"OLYMPUS\0II\3\0", "OM SYSTEM": b"OM SYSTEM\0\0\0II\4\0"}[brand]
    # In the note, places are counted from its beginning.
    settings = len(mark) + 2 + 12 + 4
    place = settings + 2 + 2 * 12 + 4
    note = mark + struct.pack("<HHHIII", 1, 0x2020, 13, 1, settings, 0)
    note += struct.pack("<HHHIIHHIII", 2, 0x101, 4, 1, place, 0x102, 4, 1, len(jpeg), 0) + jpeg
    exif_at, note_at = 8 + 2 + 5 * 12 + 4, 8 + 2 + 5 * 12 + 4 + 2 + 12 + 4
    first = {256: size[0], 257: size[1], 262: 32803, 274: more.get("orientation", 1)}
    entries = [struct.pack("<HHII", tag, 4, 1, value) for tag, value in first.items()]
    entries.append(struct.pack("<HHII", 34665, 4, 1, exif_at))
    exif = struct.pack("<HHHIII", 1, 37500, 7, len(note), note_at, 0)
    head = b"IIRO" + struct.pack("<IH", 8, len(entries))
    return head + b"".join(entries) + bytes(4) + exif + note


def pef(jpeg: bytes, *, size: tuple[int, int] = (186, 124)) -> bytes:
    """The sensor's data first, JPEGs in the directories that follow, as Pentax lays it out."""
    sensor = {256: [size[0]], 257: [size[1]], 259: [65535], 262: [32803]}
    small = {259: [6], 513: SMALL, 514: [len(SMALL)]}
    whole = {259: [6], 513: jpeg, 514: [len(jpeg)]}
    return directories([sensor, small, whole], order=">")


def arw(jpeg: bytes, *, size: tuple[int, int] = (186, 124)) -> bytes:
    """A preview in the first directory, others behind it, the sensor's data as a child: Sony's."""
    preview = {254: [1], 259: [6], 513: SMALL, 514: [len(SMALL)]}
    whole = {254: [1], 259: [6], 513: jpeg, 514: [len(jpeg)]}
    sensor = {254: [0], 256: [size[0]], 257: [size[1]], 259: [32767], 262: [32803]}
    return directories([preview, whole, sensor], children=1)


RAW_MAKERS: Mapping[str, Callable[..., bytes]] = {
    "arw": arw,
    "cr2": cr2,
    "cr3": cr3,
    "dng": dng,
    "orf": orf,
    "pef": pef,
    "raf": raf,
    "rw2": rw2,
}
"""By their extensions; each takes a JPEG, and the `size` of the sensor's picture."""

JPEG = encoded(waves(120, 180), "JPEG", quality=95)

RAW = {
    **{name: make(JPEG) for name, make in RAW_MAKERS.items()},
    "dng big-endian": dng(JPEG, order=">"),
    "orf of OM SYSTEM": orf(JPEG, brand="OM SYSTEM"),
}
"""A file of each kind whose JPEG shows the whole picture of 180 x 120 pixels."""
