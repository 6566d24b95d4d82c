"""Files that are made to cost a decoder far more than an honest picture of their size does."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Mapping, Sequence

from PIL import Image

from tests.helpers.encoded import encoded, png, png_chunk, waves

_SOS = b"\xff\xda"
_PIXEL = png_chunk(b"IDAT", zlib.compress(b"\0\0"))


def jpeg_of_many_scans(scans: int, *, side: int, progressive: bool = True) -> bytes:
    """A JPEG whose last scan is repeated: each walks over every block and may cost a few bytes.

    A progressive one ends with a refinement of high frequencies, which a flat picture has none of:
    "nothing for the next 32,767 blocks" is all that such a scan says.
    """
    flat = Image.new("L", (side, side), 128)
    if progressive:
        data = encoded(flat, "JPEG", progressive=True)
    else:
        data = encoded(flat.convert("RGB"), "JPEG", streamtype=0, quality=5)
        return _scan_by_scan(data, scans)
    at = data.rindex(_SOS)
    return data[:at] + data[at:-2] * scans + b"\xff\xd9"


def _scan_by_scan(data: bytes, scans: int) -> bytes:
    """A sequential JPEG of one scan as one of many, each of the first component."""
    at = data.rindex(_SOS)
    first = _SOS + struct.pack(">HBBBBBB", 8, 1, 1, 0, 0, 63, 0)
    return data[:at] + (first + data[at + 14 : -2]) * scans + b"\xff\xd9"


def exif_bomb(entries: int, size: int) -> bytes:
    """EXIF data whose entries all have the same `size` bytes for their value."""
    table = b"".join(struct.pack("<HHII", 0x1000 + number, 7, size, 8) for number in range(entries))
    head = b"II*\0" + struct.pack("<I", 8 + size) + bytes(size)
    return b"Exif\0\0" + head + struct.pack("<H", entries) + table + bytes(4)


def jpeg_with_segments(marker: int, contents: Sequence[bytes]) -> bytes:
    """A small JPEG without JFIF header, with segments of 65,533 bytes at most before the rest."""
    data = encoded(waves(16, 16), "JPEG")
    app0 = 4 + struct.unpack_from(">H", data, 4)[0]
    segments = b"".join(
        struct.pack(">BBH", 0xFF, marker, 2 + len(content)) + content for content in contents
    )
    return data[:2] + segments + data[app0:]


def jpeg_with_exif_bomb(*, segments: int) -> bytes:
    """The bomb runs over several segments, which Pillow joins."""
    bomb = exif_bomb(entries=min(60_000, segments * 2_500), size=segments * 32_000)
    parts = [bomb[6 + at : 6 + at + 65_500] for at in range(0, len(bomb) - 6, 65_500)]
    return jpeg_with_segments(0xE1, [b"Exif\0\0" + part for part in parts])


def tiff_with_value_bomb(entries: int, size: int) -> bytes:
    """A TIFF whose directory has thousands of entries for the same bytes."""
    return _tiff(6, 1, {1_000 + n: (7, size, 8) for n in range(entries)}, content=bytes(size))


def tiff_with_exif_bomb(entries: int, size: int) -> bytes:
    """A TIFF whose second directory, the one for EXIF data, is as the first of the one above."""
    table = b"".join(struct.pack("<HHII", 1_000 + n, 7, size, 8) for n in range(entries))
    content = bytes(size) + struct.pack("<H", entries) + table + bytes(4)
    return _tiff(6, 1, {34_665: (4, 1, 8 + size)}, content=content)


def tiff_of_many_numbers(count: int) -> bytes:
    """A TIFF that lists so many strips: each number becomes a Python object."""
    content = struct.pack("<I", 70_000) * count
    return _tiff(6, 1, {273: (4, count, 8)}, content=content)


def tiff_of_wide_tiles() -> bytes:
    """A TIFF one pixel wide in tiles 32,768 wide: they are decoded for one column of each."""
    tiles = 1_500
    tile = zlib.compress(bytes(32_768 * 16))
    content = tile + struct.pack("<I", 8) * tiles + struct.pack("<I", len(tile)) * tiles
    tables = {
        259: (3, 1, 8),
        322: (4, 1, 32_768),
        323: (4, 1, 16),
        324: (4, tiles, 8 + len(tile)),
        325: (4, tiles, 8 + len(tile) + 4 * tiles),
    }
    return _tiff(1, 16 * tiles, tables, content=content, strips=False)


def _tiff(
    width: int,
    height: int,
    tags: Mapping[int, tuple[int, int, int]],
    *,
    content: bytes,
    strips: bool = True,
) -> bytes:
    """A little-endian grey TIFF; tags are (type, count, value or offset)."""
    entries = {256: (4, 1, width), 257: (4, 1, height), 258: (3, 1, 8)}
    entries |= {259: (3, 1, 1), 262: (3, 1, 1)}
    if strips:
        entries |= {273: (4, 1, 8), 279: (4, 1, width * height)}
    entries |= tags
    table = b"".join(struct.pack("<HHII", tag, *entries[tag]) for tag in sorted(entries))
    head = b"II*\0" + struct.pack("<I", 8 + len(content))
    return head + content + struct.pack("<H", len(entries)) + table + bytes(4)


def png_of_chunks(name: bytes, content: bytes, count: int) -> bytes:
    """A PNG of one pixel behind so many equal chunks."""
    return png(1, 1, depth=8, colour=0, chunks=png_chunk(name, content) * count + _PIXEL)


def png_text_bomb(name: bytes, *, size: int, count: int) -> bytes:
    """Compressed text or a colour profile, `size` bytes when it is unpacked, `count` times."""
    # Without a keyword, Pillow does not count what it unpacks.
    before = {b"iTXt": b"\0\1\0\0\0", b"zTXt": b"\0\0", b"iCCP": b"x\0\0"}[name]
    return png_of_chunks(name, before + zlib.compress(bytes(size), 9), count)


def png_of_many_frames(count: int) -> bytes:
    """An animation of so many frames, each of them empty."""
    frames = b"".join(
        png_chunk(b"fcTL", struct.pack(">5I2H2B", number, 1, 1, 0, 0, 1, 1, 0, 0))
        for number in range(count)
    )
    control = png_chunk(b"acTL", struct.pack(">II", count, 0))
    return png(1, 1, depth=8, colour=0, chunks=control + _PIXEL + frames)


def gif_of_many_frames(count: int) -> bytes:
    """An animation of so many frames of one pixel."""
    data = encoded(Image.new("L", (1, 1)), "GIF")
    at = data.rindex(b",")
    return data[:at] + data[at:-1] * count + b";"


def gif_with_comments(blocks: int, *, size: int = 255) -> bytes:
    """A GIF behind a comment of so many blocks, which Pillow joins one by one."""
    data = encoded(Image.new("L", (1, 1)), "GIF")
    at = data.rindex(b",")
    comment = b"!\xfe" + (bytes([size]) + b"c" * size) * blocks + b"\0"
    return data[:at] + comment + data[at:]


def gif_of_junk(size: int) -> bytes:
    """A GIF with bytes that mean nothing before its picture."""
    data = encoded(Image.new("L", (1, 1)), "GIF")
    at = data.rindex(b",")
    return data[:at] + bytes(size) + data[at:]


def webp_of_many_frames(count: int) -> bytes:
    """An animation of so many frames of one pixel."""
    frames = [Image.new("RGB", (1, 1), colour) for colour in ("red", "lime")]
    data = encoded(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True)
    at = data.rindex(b"ANMF")
    body = data[8:at] + data[at:] * count
    return b"RIFF" + struct.pack("<I", len(body)) + body


def bmp_rle(width: int, height: int, codes: bytes) -> bytes:
    """A BMP of 8 bits a pixel, run-length encoded."""
    palette = bytes(1024)
    start = 14 + 40 + len(palette)
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, len(codes), 0, 0, 256, 0)
    return b"BM" + struct.pack("<IHHI", start + len(codes), 0, 0, start) + info + palette + codes


def bmp_of_jumps(width: int) -> bytes:
    """A BMP of one row whose only code says: 255 rows up."""
    return bmp_rle(width, 1, b"\0\2\0\xff" + b"\0\1")


HOSTILE: Mapping[str, Callable[[], bytes]] = {
    "jpeg of 3,000 progressive scans": lambda: jpeg_of_many_scans(3_000, side=1_000),
    "jpeg of 3,000 sequential scans": lambda: jpeg_of_many_scans(
        3_000, side=1_000, progressive=False
    ),
    "jpeg with an EXIF bomb": lambda: jpeg_with_exif_bomb(segments=24),
    "jpeg with a large profile": lambda: jpeg_with_segments(0xE2, [bytes(65_000)] * 500),
    "png of zTXt bombs": lambda: png_text_bomb(b"zTXt", size=1_000_000, count=20_000),
    "png of iTXt bombs": lambda: png_text_bomb(b"iTXt", size=1_000_000, count=20_000),
    "png of iCCP bombs": lambda: png_text_bomb(b"iCCP", size=1_000_000, count=20_000),
    "png of a million frames": lambda: png_of_many_frames(1_000_000),
    "png of empty chunks": lambda: png_of_chunks(b"IDAT", b"", 2_000_000),
    "gif of a million frames": lambda: gif_of_many_frames(1_000_000),
    "gif of comments": lambda: gif_with_comments(200_000),
    "gif of small comments": lambda: gif_with_comments(10_000_000, size=1),
    "gif of junk": lambda: gif_of_junk(50_000_000),
    "webp of a million frames": lambda: webp_of_many_frames(1_000_000),
    "bmp of jumps": lambda: bmp_of_jumps(900_000),
    "bmp of empty runs": lambda: bmp_rle(100, 100, b"\1\0" + b"\0\0" * 30_000_000),
    "tiff of one value many times": lambda: tiff_with_value_bomb(60_000, 1_000_000),
    "tiff of few values": lambda: tiff_with_value_bomb(900, 1_000_000),
    "tiff with an EXIF bomb": lambda: tiff_with_exif_bomb(60_000, 1_000_000),
    "tiff of many numbers": lambda: tiff_of_many_numbers(30_000_000),
    "tiff of wide tiles": tiff_of_wide_tiles,
}
"""What to make of each kind of attack, by a name for it."""
