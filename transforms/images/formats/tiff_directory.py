"""The first directory of a TIFF: what it says of the picture, and which pictures are not for us.

Readers go by it too late or not at all: Pillow calls a codec that it does not know damage, takes
a preview for the picture and samples with a sign for samples without one. Layout: TIFF 6.0,
section 2, and BigTIFF.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from PIL import TiffImagePlugin as Tiff

from transforms.failures import ImageError, Reason
from transforms.images.limits import MAX_PARTS

MAX_DIRECTORY = 1_000
"""Entries of a TIFF directory; 20 are usual."""

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_SIZES |= {16: 8, 17: 8, 18: 8}
"""Bytes of one value, by its type."""

_OPAQUE = (1, 2, 7)
"""Types whose values are handed on as one string."""

_INTEGERS = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
"""Types of integers without a sign, and how `struct` calls them."""

_LONG = 4

_SUBFILE_TYPE, _OLD_SUBFILE_TYPE = 254, 255
_PREVIEW, _MASK = 1, 4
"""Bits of the tag NewSubfileType: TIFF 6.0, section 8."""

_OLD_PREVIEW = 2

_WITH_SIGN, _FLOAT = 2, 3

_LAB = 8

_SENSOR = (32803, 34892)
"""Photometric interpretations of DNG: a mosaic of colours, and light."""

_READ = (1, 2, 3, 4, 5, 6, 7, 8, 32771, 32773, 32809, 32946, 34676, 34677, 34925, 50000)
"""Values of the tag Compression that Pillow and its libtiff decode."""

_UNREAD = {
    9: "JBIG",
    10: "JBIG",
    22610: "JPEG XR",
    32766: "NeXT",
    32767: "Sony's raw",
    32769: "packed raw",
    32770: "Samsung's raw",
    33003: "JPEG 2000",
    33004: "JPEG 2000",
    33005: "JPEG 2000",
    33007: "JPEG 2000",
    34661: "JBIG",
    34712: "JPEG 2000",
    34713: "Nikon's raw",
    34887: "LERC",
    34892: "lossy JPEG of DNG",
    34933: "PNG",
    34934: "JPEG XR",
    50001: "WebP",
    50002: "JPEG XL",
    52546: "JPEG XL",
    65000: "Kodak's raw",
    65535: "Pentax's raw",
}
"""Others, by the names that people know."""


class Layout(NamedTuple):
    """How a directory is written down: the byte order, and where BigTIFF differs."""

    order: str
    length: str
    entry: str
    offset: str

    def unpack(self, form: str, data: bytes, at: int) -> tuple[int, ...]:
        """Numbers that are there."""
        return struct.unpack_from(self.order + form, data, at)

    def number(self, form: str, data: bytes, at: int) -> int:
        """One number; 0 behind the end of the data."""
        return self.unpack(form, data, at)[0] if at + self.size(form) <= len(data) else 0

    def size(self, form: str) -> int:
        """Bytes that it takes."""
        return struct.calcsize(self.order + form)


class Entry(NamedTuple):
    """One entry of a directory.

    Attributes:
        tag: which.
        kind: of the values.
        numbers: how many values there are.
        at: where they are.
        stored: bytes that they take outside of the directory.
    """

    tag: int
    kind: int
    numbers: int
    at: int
    stored: int


def layout_of(data: bytes) -> Layout:
    """By the first four bytes."""
    order = "<" if data.startswith(b"II") else ">"
    big = b"+" in data[:4]
    return Layout(order, "Q", "HHQ", "Q") if big else Layout(order, "H", "HHI", "I")


def check(data: bytes) -> bytes:
    """Refuses a TIFF that is not for us; the others come back as Pillow understands them.

    Honest values do not share their bytes: together they are smaller than the file.

    Raises:
        ImageError: too_complex, the first directory holds more than such a file can need; or
            unsupported.
    """
    layout = layout_of(data)
    entries = list(_first_directory(data, layout))
    if sum(entry.stored for entry in entries) > len(data):
        raise _too_complex("bytes of values", len(data))
    numbers = sum(e.numbers for e in entries if e.kind in _SIZES and e.kind not in _OPAQUE)
    if numbers > MAX_PARTS:
        raise _too_complex("numbers", MAX_PARTS)
    _check_kind({entry.tag: _integers(data, layout, entry) for entry in entries})
    big_endian = data.startswith(b"MM\0+")  # Pillow takes the 0 for the version
    return _as_classic(data, layout, entries) if big_endian and entries else data


def profile(data: bytes) -> bytes | None:
    """The ICC profile of the first directory, or None."""
    entries = _first_directory(data, layout_of(data))
    try:
        return next(
            (_content(data, entry) for entry in entries if entry.tag == Tiff.ICCPROFILE), None
        )
    except ImageError:  # the reader of the picture will say so
        return None


def _content(data: bytes, entry: Entry) -> bytes:
    return data[entry.at : entry.at + entry.numbers * _SIZES.get(entry.kind, 0)]


def is_raw(data: bytes) -> bool:
    """Whether the first directory is a preview, or only cameras and raw converters write the like.

    Raises:
        ImageError: as `check`, of a directory of too much.
    """
    tags, _ = integers_at(data, first_place(data))
    return (
        bool(_first(tags, _SUBFILE_TYPE, 0) & _PREVIEW)
        or tags.get(_OLD_SUBFILE_TYPE) == [_OLD_PREVIEW]
        or "raw" in _UNREAD.get(_first(tags, Tiff.COMPRESSION, 1), "")
        or _is_of_sensor(tags)
        or any(
            _is_of_sensor(integers_at(data, child)[0])
            for child in tags.get(Tiff.SUBIFD, [])[:_MAX_CHILDREN]
        )
    )


_MAX_CHILDREN = 8
"""Of a directory; cameras write up to four."""


def _is_of_sensor(tags: dict[int, list[int]]) -> bool:
    return _first(tags, Tiff.PHOTOMETRIC_INTERPRETATION, 0) in _SENSOR


def first_place(data: bytes) -> int:
    """Where the first directory is."""
    layout = layout_of(data)
    return layout.number(layout.offset, data, 4 if layout.offset == "I" else 8)


def integers_at(data: bytes, place: int) -> tuple[dict[int, list[int]], int]:
    """The integers of a directory by their tags, and where the next one is, or 0.

    Of opaque bytes it is the place. Values together are at most as many as `MAX_PARTS`.

    Raises:
        ImageError: too_complex.
    """
    layout = layout_of(data)
    tags, left = {}, MAX_PARTS
    for entry in _directory(data, layout, place):
        left -= entry.numbers if entry.kind in _INTEGERS and entry.kind not in _OPAQUE else 0
        if left < 0:
            raise _too_complex("numbers", MAX_PARTS)
        opaque = entry.kind in _OPAQUE and entry.stored
        tags[entry.tag] = [entry.at] if opaque else _integers(data, layout, entry)
    count = layout.number(layout.length, data, place)
    size = layout.size(layout.entry) + layout.size(layout.offset)
    following = layout.number(
        layout.offset, data, place + layout.size(layout.length) + count * size
    )
    return {tag: values for tag, values in tags.items() if values}, following


def _first_directory(data: bytes, layout: Layout) -> Iterator[Entry]:
    return _directory(data, layout, first_place(data))


def _directory(data: bytes, layout: Layout, at: int) -> Iterator[Entry]:
    """The entries, as far as Pillow reads them: up to the first damage."""
    count = layout.number(layout.length, data, at)
    at += layout.size(layout.length)
    inline = layout.size(layout.offset)
    size = layout.size(layout.entry) + inline
    for number, start in enumerate(range(at, min(at + count * size, len(data) - size + 1), size)):
        if number == MAX_DIRECTORY:
            raise _too_complex("entries", MAX_DIRECTORY)
        tag, kind, values, offset = layout.unpack(layout.entry + layout.offset, data, start)
        length = values * _SIZES.get(kind, 0)  # Pillow passes over other types
        if length > inline and offset + length > len(data):
            return
        if length > inline:
            yield Entry(tag, kind, values, offset, length)
        else:
            yield Entry(tag, kind, values, start + size - inline, 0)


def _integers(data: bytes, layout: Layout, entry: Entry) -> list[int]:
    """The values, if they are integers."""
    form = _INTEGERS.get(entry.kind)
    return list(layout.unpack(f"{entry.numbers}{form}", data, entry.at)) if form else []


def _check_kind(tags: dict[int, list[int]]) -> None:
    """Refuses what would be decoded to another picture, or called damage."""
    kind = _first(tags, _SUBFILE_TYPE, 0)
    if kind & _PREVIEW or tags.get(_OLD_SUBFILE_TYPE) == [_OLD_PREVIEW]:
        raise _unsupported("the first picture is a preview of another one")
    if kind & _MASK:
        raise _unsupported("the first picture is a mask of another one")
    if _is_of_sensor(tags):
        raise _unsupported("what a sensor has measured, without a picture")
    compression = _first(tags, Tiff.COMPRESSION, 1)
    if compression not in _READ:
        name = _UNREAD.get(compression, f"of the number {compression}")
        raise _unsupported(f"with the compression {name}")
    bits = _first(tags, Tiff.BITSPERSAMPLE, 1)
    form = _first(tags, Tiff.SAMPLEFORMAT, 1)
    if form in (_WITH_SIGN, _FLOAT) or bits > 16:
        samples = {_WITH_SIGN: "samples with a sign", _FLOAT: "floating-point samples"}
        of_bits = f"{samples.get(form, 'samples')} of {bits} bits"
        raise _unsupported(f"{of_bits} have no known black and white")
    samples_a_pixel = _first(tags, Tiff.SAMPLESPERPIXEL, 1)
    planar = _first(tags, Tiff.PLANAR_CONFIGURATION, 1) == 2
    lab = _first(tags, Tiff.PHOTOMETRIC_INTERPRETATION, 0) == _LAB
    if planar and (samples_a_pixel == 2 or lab):
        kind_of_planes = "L*a*b*" if lab else "grey and transparency"
        raise _unsupported(f"{kind_of_planes} in planes of their own")


def _first(tags: dict[int, list[int]], tag: int, default: int) -> int:
    values = tags.get(tag)
    return values[0] if values else default


def _as_classic(data: bytes, layout: Layout, entries: list[Entry]) -> bytes:
    """A BigTIFF whose places are small enough as a TIFF: another header and directory."""
    directory, behind = [], bytearray()
    for entry in {entry.tag: entry for entry in reversed(entries)}.values():
        if entry.kind not in _SIZES:
            continue
        kind, values = entry.kind, _content(data, entry)
        if kind in _INTEGERS and _INTEGERS[kind] == "Q":
            numbers = [min(number, 0xFFFFFFFF) for number in _integers(data, layout, entry)]
            kind, values = _LONG, struct.pack(f"{layout.order}{len(numbers)}I", *numbers)
        if len(values) > 4:
            place = struct.pack(layout.order + "I", len(data) + len(behind))
            behind += values
            values = place
        head = struct.pack(layout.order + "HHI", entry.tag, kind, entry.numbers)
        directory.append(head + values.ljust(4, b"\0"))
    header = data[:2] + struct.pack(layout.order + "HI", 42, len(data) + len(behind))
    count = struct.pack(layout.order + "H", len(directory))
    return b"".join([header, data[8:], behind, count, *sorted(directory), bytes(4)])


def _unsupported(what: str) -> ImageError:
    return ImageError(Reason.UNSUPPORTED, f"a kind of TIFF that is not supported ({what})")


def _too_complex(parts: str, limit: int) -> ImageError:
    return ImageError(Reason.TOO_COMPLEX, f"a TIFF directory with more than {limit} {parts}")
