"""Camera raw: the JPEG that the camera has put into the file, if it shows the whole picture.

What a sensor has measured is not developed here. Most cameras keep a JPEG beside it; some of the
size of the picture, some only to look at. Nothing is labelled from the latter.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from transforms import sniff
from transforms.failures import ImageError, Reason
from transforms.images.formats import tiff_directory
from transforms.images.formats.boxes import boxes
from transforms.images.orientation import exif_orientation

_WHOLE = 0.9
"""Of each side of the picture: cameras cut a few rows and columns off for their JPEG."""

_MAX_DIRECTORIES = 32

_WIDTH, _HEIGHT, _COMPRESSION = 256, 257, 259
_STRIP, _STRIP_LENGTH, _ORIENTATION, _CHILDREN, _TABLES = 273, 279, 274, 330, 347
_JPEG, _JPEG_LENGTH, _CROP = 513, 514, 50720
_PANASONIC_BORDERS = (4, 5, 6, 7)
_PANASONIC_JPEG = 46
_EXIF, _NOTE = 34665, 37500

_OLYMPUS_NOTES = ((b"OLYMPUS\0", 8), (b"OM SYSTEM\0", 12))
"""How a maker's note begins, and where in it the byte order stands, with a version behind it."""

_OLYMPUS_SETTINGS, _OLYMPUS_JPEG, _OLYMPUS_LENGTH = 0x2020, 0x101, 0x102


class _Found(NamedTuple):
    """What is in a file: its JPEGs, the sizes of its pictures, and which way up they are."""

    jpegs: list[bytes]
    sizes: list[tuple[int, int]]
    orientation: int


def jpeg_of(data: bytes) -> bytes | None:
    """The JPEG of a raw file that shows all of its picture; None of files of other kinds.

    It gets the orientation that the raw file has, if it has none of its own.

    Raises:
        ImageError: unsupported, there is none, or none of the picture's size; too_complex.
    """
    kind = _kind(data)
    if kind is None:
        return None
    found = _FINDERS[kind](data)
    width, height = max(found.sizes, key=lambda size: size[0] * size[1], default=(0, 0))
    sized = [(size, jpeg) for jpeg in found.jpegs if (size := _jpeg_size(jpeg))]
    if kind == "TIFF" and not sized:
        tiff_directory.check(data)  # says it better, if it is about the first directory
    if not sized or not width:
        raise _refused(kind, "without a JPEG of the picture")
    (columns, rows), jpeg = max(sized, key=lambda each: each[0][0] * each[0][1])
    if columns < _WHOLE * width or rows < _WHOLE * height:
        preview = f"the JPEG in it has {columns} x {rows} pixels, the picture {width} x {height}"
        raise _refused(kind, f"the first picture is a preview of another one: {preview}")
    return jpeg if _has_orientation(jpeg) else _turned(jpeg, found.orientation)


def _refused(kind: str, why: str) -> ImageError:
    what = "TIFF" if kind == "TIFF" else "camera raw"
    return ImageError(Reason.UNSUPPORTED, f"a kind of {what} that is not supported ({why})")


def _kind(data: bytes) -> str | None:
    if data.startswith(b"FUJIFILMCCD-RAW"):
        return "RAF"
    if data[4:12] == b"ftypcrx ":
        return "CR3"
    if data.startswith((b"IIRO", b"IIRS", b"MMOR", b"IIU\0")) or data.startswith(b"CR\2\0", 8):
        return "RAW"
    if data.startswith(sniff.TIFF_MARKS) and tiff_directory.is_raw(data):
        return "TIFF"
    return None


# --- TIFF and what looks like it


def _of_tiff(data: bytes) -> _Found:
    found = _Found([], [], 1)
    for number, tags in enumerate(_directories(data)):
        if number == 0:
            found = found._replace(orientation=tags.get(_ORIENTATION, [1])[0])
        found.sizes.extend(_sizes(data, tags))
        found.jpegs.extend(_jpegs(data, tags))
        if _NOTE in tags:
            found.jpegs.extend(_jpegs_of_note(data[tags[_NOTE][0] :]))
    return found


def _directories(data: bytes) -> Iterator[dict[int, list[int]]]:
    """All of them, children and those that follow, each once."""
    waiting, seen = [tiff_directory.first_place(data)], {0}
    while waiting and len(seen) <= _MAX_DIRECTORIES:
        place = waiting.pop(0)
        if place in seen:
            continue
        seen.add(place)
        tags, following = tiff_directory.integers_at(data, place)
        waiting += [following, *tags.get(_CHILDREN, []), *tags.get(_EXIF, [])]
        yield tags


def _sizes(data: bytes, tags: dict[int, list[int]]) -> Iterator[tuple[int, int]]:
    if len(crop := tags.get(_CROP, [])) == 2:
        yield crop[0], crop[1]
    elif _WIDTH in tags and _HEIGHT in tags:
        yield tags[_WIDTH][0], tags[_HEIGHT][0]
    elif all(tag in tags for tag in _PANASONIC_BORDERS):
        top, left, bottom, right = (tags[tag][0] for tag in _PANASONIC_BORDERS)
        yield right - left, bottom - top
    elif (size := _jpeg_size(_strip(data, tags), lossless=True)) is not None:
        yield size  # CR2: the sensor's data are a JPEG without loss, and nothing else says its size


def _jpegs(data: bytes, tags: dict[int, list[int]]) -> Iterator[bytes]:
    for place, length in ((_JPEG, _JPEG_LENGTH), (_PANASONIC_JPEG, -1)):
        if place in tags and (length in tags or length < 0):
            start = tags[place][0]
            yield data[start : start + tags[length][0]] if length in tags else data[start:]
    if tags.get(_COMPRESSION, [0])[0] in (6, 7) and _TABLES not in tags:
        yield _strip(data, tags)


def _jpegs_of_note(note: bytes) -> Iterator[bytes]:
    """That of Olympus and OM System; places count from where the note begins."""
    for mark, at in _OLYMPUS_NOTES:
        if note.startswith(mark):
            note = note[at : at + 2] + bytes(2) + note[4:]  # which tells the byte order
            tags, _ = tiff_directory.integers_at(note, at + 4)
            settings, _ = tiff_directory.integers_at(note, tags.get(_OLYMPUS_SETTINGS, [0])[0])
            if _OLYMPUS_JPEG in settings and _OLYMPUS_LENGTH in settings:
                start = settings[_OLYMPUS_JPEG][0]
                yield note[start : start + settings[_OLYMPUS_LENGTH][0]]


def _strip(data: bytes, tags: dict[int, list[int]]) -> bytes:
    """The only strip of a directory; nothing if there are several."""
    starts, lengths = tags.get(_STRIP, []), tags.get(_STRIP_LENGTH, [])
    if len(starts) != 1 or len(lengths) != 1:
        return b""
    return data[starts[0] : starts[0] + lengths[0]]


# --- Fuji's and Canon's own


def _of_raf(data: bytes) -> _Found:
    """Header and list of tags, big-endian: the size of the picture has the number 0x111."""
    start, length, tags = (int.from_bytes(data[at : at + 4], "big") for at in (84, 88, 92))
    sizes, at = [], tags + 4
    for _ in range(min(256, int.from_bytes(data[tags:at], "big"))):
        tag, size = struct.unpack_from(">HH", data[at : at + 4].ljust(4, b"\0"))
        if tag in (0x100, 0x111) and size == 4 and at + 8 <= len(data):
            rows, columns = struct.unpack_from(">HH", data, at + 4)
            sizes.append((columns, rows))
        at += 4 + size
    return _Found([data[start : start + length]], sizes[-1:], 1)


def _of_cr3(data: bytes) -> _Found:
    """Tracks of a film, one of which is a JPEG; others have the sensor's data."""
    jpegs: list[bytes] = []
    sizes: list[tuple[int, int]] = []
    film = _one(data, b"moov")
    for track in _all(film, b"trak"):
        table = _one(_one(_one(track, b"mdia"), b"minf"), b"stbl")
        entry = _one(table, b"stsd")[8:]
        if entry[4:8] != b"CRAW" or len(entry) < 36:
            continue
        sizes.append(struct.unpack_from(">HH", entry, 32))
        start = int.from_bytes(_one(table, b"co64")[8:16], "big")
        length = int.from_bytes(_one(table, b"stsz")[4:8], "big")
        length = length or int.from_bytes(_one(table, b"stsz")[12:16], "big")
        if start and data[start : start + 2] == b"\xff\xd8":
            jpegs.append(data[start : start + length])
    return _Found(jpegs, sizes, _cr3_orientation(film))


def _cr3_orientation(film: bytes) -> int:
    """From the box with what would be the first directory of a TIFF."""
    for own in _all(film, b"uuid"):
        directory = _one(own[_UUID_BYTES:], b"CMT1")
        tags, _ = tiff_directory.integers_at(directory, tiff_directory.first_place(directory))
        if _ORIENTATION in tags:
            return tags[_ORIENTATION][0]
    return 1


_UUID_BYTES = 16


def _all(content: bytes, kind: bytes) -> list[bytes]:
    return [content[box.start : box.end] for box in boxes(content) if box.kind == kind]


def _one(content: bytes, kind: bytes) -> bytes:
    return next(iter(_all(content, kind)), b"")


_FINDERS = {"RAF": _of_raf, "CR3": _of_cr3, "RAW": _of_tiff, "TIFF": _of_tiff}


# --- JPEG


_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC3, 0xC4, 0xC7, 0xC8, 0xCB, 0xCC, 0xCF}
_LOSSLESS, _SOS, _APP1 = 0xC3, 0xDA, 0xE1


def _segments(jpeg: bytes) -> Iterator[tuple[int, bytes]]:
    """Markers before the pixels and what belongs to them."""
    at = 2
    while jpeg.startswith(b"\xff\xd8\xff") and at + 4 <= len(jpeg) and jpeg[at] == 0xFF:
        end = at + 2 + max(2, int.from_bytes(jpeg[at + 2 : at + 4], "big"))
        yield jpeg[at + 1], jpeg[at + 4 : end]
        if jpeg[at + 1] == _SOS:
            return
        at = end


def _jpeg_size(jpeg: bytes, *, lossless: bool = False) -> tuple[int, int] | None:
    for marker, content in _segments(jpeg):
        if marker in _FRAMES or marker == _LOSSLESS:
            if lossless != (marker == _LOSSLESS) or len(content) < 6:
                return None
            rows, columns, components = struct.unpack_from(">HHB", content, 1)
            return (columns * components if lossless else columns), rows
    return None


def _has_orientation(jpeg: bytes) -> bool:
    return any(
        marker == _APP1 and exif_orientation(content) != 1 for marker, content in _segments(jpeg)
    )


def _turned(jpeg: bytes, orientation: int) -> bytes:
    """The JPEG with EXIF data that have nothing but the orientation."""
    if not 2 <= orientation <= 8:
        return jpeg
    exif = (
        b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<HHHII", 1, 0x112, 3, 1, orientation) + bytes(4)
    )
    return jpeg[:2] + struct.pack(">BBH", 0xFF, _APP1, 2 + len(exif)) + exif + jpeg[2:]
