"""Strips and tiles of a TIFF that may hold fewer rows than they should.

What a strip lacks, libtiff leaves as the memory was: a part of another picture, another one in each
process. A fax (group 4) may end early anywhere, for its end code is valid everywhere; a JPEG may
say that it is smaller than its strip.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from PIL import TiffImagePlugin as Tiff

from transforms.failures import ImageError, Reason
from transforms.images.formats import jpeg_header

GROUP_4, JPEG = 4, 7
"""Values of the tag Compression: TIFF 6.0, section 11, and its Technical Note 2."""

# TIFF 6.0: a type (section 2), and a value of PlanarConfiguration, a plane for each colour.
_LONG = 4
_SEPARATE = 2


class _Unit(NamedTuple):
    """What a picture is cut into: strips, or tiles.

    Attributes:
        offsets: tag.
        lengths: tag.
        width: columns of one.
        rows: of one.
        across: how many stand side by side.
        height: rows of the picture.
    """

    offsets: int
    lengths: int
    width: int
    rows: int
    across: int
    height: int


def with_white_above(data: bytes, directory: dict[int, list[int]]) -> tuple[bytes, int]:
    """A fax of group 4 with rows of white above it, and how many they are.

    All strips are decoded into the same memory, so that the white strip in front of the first one
    decides what is seen where rows are missing.

    Args:
        data: a TIFF file whose first directory is sound.
        directory: the integers of its tags.

    Raises:
        ImageError: corrupt, it does not say where its pixels are.
    """
    unit = _unit(directory)
    offsets = directory.get(unit.offsets, [])
    lengths = directory.get(unit.lengths) or [max(0, len(data) - offset) for offset in offsets]
    inside = all(0 <= value <= len(data) for value in (*offsets, *lengths))
    if unit.rows <= 0 or not 0 < unit.across <= len(offsets) or not inside:
        raise ImageError(Reason.CORRUPT, "a TIFF of group 4 whose strips or tiles are nowhere")
    # A row like the one above it, which is white in the beginning, is the single bit 1 (ITU-T T.6).
    white = b"\xff" * -(-unit.rows // 8)
    changes = {
        Tiff.IMAGELENGTH: [unit.rows + unit.height],
        unit.offsets: [len(data)] * unit.across + offsets,
        unit.lengths: [len(white)] * unit.across + lengths,
    }
    if unit.offsets == Tiff.STRIPOFFSETS:
        changes[Tiff.ROWSPERSTRIP] = [unit.rows]
    return _with_directory(data + white, changes), unit.rows


def check_jpegs(data: bytes, directory: dict[int, list[int]]) -> None:
    """Refuses a TIFF of JPEGs one of which is smaller than its strip or tile.

    Args:
        data: the file.
        directory: the integers of its tags.

    Raises:
        ImageError: truncated, too_complex, or what
            `transforms.images.formats.jpeg_header.read_header` says of one.
    """
    if directory.get(Tiff.PLANAR_CONFIGURATION) == [_SEPARATE]:
        return  # the planes of colour are smaller, and Pillow reads none of them
    unit = _unit(directory)
    if sum(directory.get(unit.lengths, [])) > len(data):  # each of them is read
        raise ImageError(Reason.TOO_COMPLEX, "a TIFF whose strips share their bytes")
    spans = zip(directory.get(unit.offsets, []), directory.get(unit.lengths, []), strict=False)
    for number, (offset, length) in enumerate(spans):
        header = jpeg_header.read_header(data[offset : offset + length])
        rows = unit.rows
        if unit.offsets == Tiff.STRIPOFFSETS:
            rows = min(rows, unit.height - number * unit.rows)
        if header.width < unit.width or header.height < rows:
            found = f"{header.width} x {header.height}"
            raise ImageError(Reason.TRUNCATED, f"a part of {unit.width} x {rows} is {found} pixels")


def _unit(directory: dict[int, list[int]]) -> _Unit:
    width, height = (directory.get(tag, [0])[0] for tag in (Tiff.IMAGEWIDTH, Tiff.IMAGELENGTH))
    if Tiff.TILEWIDTH in directory and Tiff.TILELENGTH in directory:
        step, rows = directory[Tiff.TILEWIDTH][0], directory[Tiff.TILELENGTH][0]
        offsets, lengths = Tiff.TILEOFFSETS, Tiff.TILEBYTECOUNTS
    else:
        step, rows = width, min(directory.get(Tiff.ROWSPERSTRIP, [height])[0], height)
        offsets, lengths = Tiff.STRIPOFFSETS, Tiff.STRIPBYTECOUNTS
    return _Unit(offsets, lengths, step, rows, -(-width // step) if step > 0 else 0, height)


def _with_directory(data: bytes, changes: dict[int, list[int]]) -> bytes:
    """A file whose first directory is a copy of the one that it had, with some other values."""
    order = "<" if data.startswith(b"II") else ">"
    big = b"+" in data[:4]
    length, offset, at_offset = ("Q", "Q", 8) if big else ("H", "I", 4)
    inline = struct.calcsize(offset)
    size = 4 + 2 * inline
    (start,) = struct.unpack_from(order + offset, data, at_offset)
    (count,) = struct.unpack_from(order + length, data, start)
    start += struct.calcsize(length)
    entries: dict[int, bytes] = {}
    for at in range(start, min(start + count * size, len(data) - size + 1), size):
        (tag,) = struct.unpack_from(order + "H", data, at)
        entries[tag] = data[at : at + size]
    for tag, values in changes.items():
        content = struct.pack(f"{order}{len(values)}I", *values)
        if len(content) > inline:
            content, data = struct.pack(order + offset, len(data)), data + content
        head = struct.pack(f"{order}HH{offset}", tag, _LONG, len(values))
        entries[tag] = head + content.ljust(inline, b"\0")
    # The standard wants tags in ascending order, and a 0 where no directory follows.
    directory = struct.pack(order + length, len(entries))
    directory += b"".join(entries[tag] for tag in sorted(entries)) + bytes(inline)
    pointer = struct.pack(order + offset, len(data))
    return data[:at_offset] + pointer + data[at_offset + inline :] + directory
