"""What a JPEG file says of itself before its pixels begin, read as libjpeg reads it.

Pillow's reader is not asked: it joins EXIF segments and reads every value in them, so that a file
of one megabyte can take gigabytes. Layout: ITU-T T.81, annex B.
"""

from __future__ import annotations

import dataclasses
import re
import struct
from collections.abc import Iterator

from transforms.failures import ImageError, Reason

MAX_SCANS = 100
"""Scans of one picture. Encoders write 10 or so. Every scan walks over all the pixels, even one of
a few bytes: thousands of them in a small file take hours. libtiff has the same limit."""

MAX_SCANNED_PIXELS = 2_500_000_000
"""Pixels times scans of one picture: 25 scans of 100 megapixels, which take 20 seconds."""

_EOI, _SOS = 0xD9, 0xDA
# Among the codes of frames there are three others: tables (C4, CC) and one that is reserved.
_FRAMES = (frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}) | {0xF7}
_PROGRESSIVE = (0xC2, 0xCA)
_LOSSLESS = 0xC3
# Processes that libjpeg-turbo does not know: ITU-T T.81, table B.1, and T.87, C.1.
_UNREAD = {
    0xC5: "differential",
    0xC6: "differential progressive",
    0xC7: "differential lossless",
    0xCB: "lossless with arithmetic coding",
    0xCD: "differential with arithmetic coding",
    0xCE: "differential progressive with arithmetic coding",
    0xCF: "differential lossless with arithmetic coding",
    0xF7: "JPEG-LS",
}
# TEM and the restart markers.
_WITHOUT_CONTENT = frozenset([0x01, *range(0xD0, 0xD8)])
_WITH_CONTENT = frozenset([*range(0xC0, 0xD0), *range(0xDA, 0xF0), 0xF7, 0xF8, 0xFE])
_EXIF, _ADOBE = 0xE1, 0xEE
_TELLING = _FRAMES | {_EXIF, _ADOBE}
# APP1 to APP15 and comments. APP0 and Adobe's stay: they tell which colours these are.
_METADATA = frozenset([*range(0xE1, 0xF0), 0xFE]) - {_ADOBE}

# FF 00 is a byte FF among pixels; further FF may stand before a marker.
_NO_MARKER = (0x00, 0xFF)
_MARKER = re.compile(rb"\xff([^\x00\xff])")


@dataclasses.dataclass
class Header:
    """What stands before the pixels of a JPEG.

    Attributes:
        width: columns, as stored.
        height: rows, as stored.
        components: 1 (grey), 3 (colour) or 4 (CMYK).
        adobe: whether a program of Adobe's has marked it.
        exif: content of the first EXIF segment.
        metadata: from where to where the segments are that say nothing of the pixels.
        buffered: whether a decoder has to read all scans before it knows a pixel.
        lossless: whether it must be decoded at full size.
    """

    width: int = 0
    height: int = 0
    components: int = 0
    adobe: bool = False
    exif: bytes | None = None
    metadata: list[tuple[int, int]] = dataclasses.field(default_factory=list)
    buffered: bool = False
    lossless: bool = False


def read_header(data: bytes) -> Header:
    """Reads up to the first scan, and counts the scans where there are several.

    Raises:
        ImageError: truncated, corrupt, unsupported (12 bits, two components, a process that no
            decoder reads) or too_complex.
    """
    header = Header()
    for marker, start, end in _segments(data, 2):
        if marker in _WITHOUT_CONTENT:
            continue
        if marker not in _WITH_CONTENT:
            raise _corrupt(f"marker {marker:#x} before its pixels")
        if end > len(data):
            break
        if marker == _SOS:
            _read_first_scan(header, data, start)
            return header
        if marker in _TELLING:
            _read_segment(header, marker, data[start + 4 : end])
        if marker in _METADATA:
            header.metadata.append((start, end))
    raise ImageError(Reason.TRUNCATED, "JPEG data end before the pixels begin")


def without_metadata(data: bytes, header: Header) -> bytes:
    """The file without the segments before the pixels that a decoder does not need."""
    kept, at = [], 0
    for start, end in header.metadata:
        kept.append(data[at:start])
        at = end
    return b"".join([*kept, data[at:]])


def _segments(data: bytes, at: int) -> Iterator[tuple[int, int, int]]:
    """Markers from `at` on: code, start, and the end of what belongs to it, even if that is cut."""
    while at + 1 < len(data):
        start, marker = at, data[at + 1]
        if data[at] != 0xFF or marker in _NO_MARKER:  # pixels, or damage
            found = _MARKER.search(data, at)
            if found is None:
                return
            start, marker = found.start(), found[1][0]
        at = start + 2
        if marker in _WITH_CONTENT:
            # A length counts its own two bytes; with less the walk would not get on.
            at += max(2, int.from_bytes(data[at : at + 2], "big"))
        yield marker, start, at


def _read_segment(header: Header, marker: int, content: bytes) -> None:
    if marker in _FRAMES:
        _read_frame(header, content)
        if marker in _UNREAD:
            raise _unsupported(_UNREAD[marker])
        header.buffered = marker in _PROGRESSIVE
        header.lossless = marker == _LOSSLESS
    elif marker == _ADOBE:
        header.adobe |= content.startswith(b"Adobe")
    elif marker == _EXIF and header.exif is None and content.startswith(b"Exif\0\0"):
        header.exif = content


def _read_frame(header: Header, content: bytes) -> None:
    if header.components:
        raise _corrupt("two frames")
    if len(content) < 6:
        raise _corrupt("half a frame")
    bits, header.height, header.width, header.components = struct.unpack_from(">BHHB", content)
    if bits != 8 or header.components not in (1, 3, 4):
        raise _unsupported(f"{header.components} components of {bits} bits")


def _read_first_scan(header: Header, data: bytes, start: int) -> None:
    if not header.components:
        raise _corrupt("a scan without a frame")
    # Fewer components than the picture has: the others come in scans of their own.
    header.buffered |= data[start + 4] != header.components
    if header.buffered:
        pixels = max(1, header.width * header.height)
        _check_scans(data, start, limit=min(MAX_SCANS, max(1, MAX_SCANNED_PIXELS // pixels)))


def _check_scans(data: bytes, at: int, *, limit: int) -> None:
    """Counts what a decoder would walk through: up to the end marker, damaged or not."""
    scans = 0
    for marker, _, _ in _segments(data, at):
        scans += marker == _SOS
        if marker == _EOI:
            return
        if scans > limit:
            raise ImageError(Reason.TOO_COMPLEX, f"a JPEG of more than {limit} scans")


def _unsupported(kind: str) -> ImageError:
    return ImageError(Reason.UNSUPPORTED, f"a kind of JPEG that is not supported ({kind})")


def _corrupt(what: str) -> ImageError:
    return ImageError(Reason.CORRUPT, f"JPEG data are corrupt ({what})")
