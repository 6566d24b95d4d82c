"""What the first bytes of a file say: its format, and of some formats the size of the picture."""

from __future__ import annotations

import re
from collections.abc import Callable

from transforms.failures import ImageError, Reason

# PBM, PGM and PPM, as bits, grey and colour, plain or not; comments may stand before the width.
_PPM = re.compile(rb"P[1-6]\s+(#[^\n]*\n\s*)*[0-9]")
_MOST_COMMENT = 1_000

# Of the header that follows: OS/2 (12, 16, 64), Windows 3 (40), with masks (52, 56), 4 and 5.
_BMP_HEADER_SIZES = (12, 16, 40, 52, 56, 64, 108, 124)


def format_of(data: bytes) -> str:
    """JPEG, PNG, WEBP, GIF, TIFF, BMP, PPM, HEIF, AVIF, JXL, JPEG2000 or RAW.

    Some raw files are a TIFF by their first bytes: `transforms.images.formats.raw` tells them.

    Raises:
        ImageError: unsupported_format, for what is known and not read; unknown_format.
    """
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "WEBP"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if any(data.startswith(mark, at) for at, mark in _RAW):
        return "RAW"
    if data.startswith(TIFF_MARKS):
        return "TIFF"
    # Two letters alone would take many a text for a picture.
    if data.startswith(b"BM") and int.from_bytes(data[14:18], "little") in _BMP_HEADER_SIZES:
        return "BMP"
    if _PPM.match(data, 0, _MOST_COMMENT):
        return "PPM"
    if (kind := _guarded(data)) is not None:
        return kind
    if (name := _unread(data)) is not None:
        raise ImageError(Reason.UNSUPPORTED_FORMAT, f"{name}: this type is not read")
    raise ImageError(Reason.UNKNOWN_FORMAT, "not a picture of a format that is known")


TIFF_MARKS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

_RAW = (
    (8, b"CR\x02\0"),
    (4, b"ftypcrx "),
    (0, b"FUJIFILMCCD-RAW"),
    (0, b"IIRO"),
    (0, b"IIRS"),
    (0, b"MMOR"),
    (0, b"IIU\0"),
)
"""Marks of Canon (CR2, CR3), Fuji, Olympus and Panasonic, and where they are."""


def is_known(data: bytes) -> bool:
    """Whether this is a picture, or an archive, of a type that is read or has a name."""
    try:
        format_of(data)
    except ImageError as error:
        return error.reason is not Reason.UNKNOWN_FORMAT
    return True


# Of the ISO base media file format; those of films are left to `unknown_format`.
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"mif2")
_AVIF_BRANDS = (b"avif", b"avis")

# The bare codestream, and the container.
_JXL = (b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n")
_JPEG_2000 = (b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP  \r\n\x87\n")


def _guarded(data: bytes) -> str | None:
    if data[4:8] == b"ftyp":
        # The brand of the file, and those that it is compatible with behind four bytes of version.
        brands = data[8:12], *_each_four(data[16 : min(int.from_bytes(data[:4], "big"), 256)])
        if brands[0] in (*_HEIF_BRANDS, *_AVIF_BRANDS):
            general = brands[0] in (b"mif1", b"msf1", b"mif2")
            found = brands if general else brands[:1]
            return "AVIF" if any(brand in _AVIF_BRANDS for brand in found) else "HEIF"
    if data.startswith(_JXL):
        return "JXL"
    return "JPEG2000" if data.startswith(_JPEG_2000) else None


def _each_four(data: bytes) -> list[bytes]:
    return [data[at : at + 4] for at in range(0, len(data), 4)]


# Where a type has its mark, and what it is called.
_UNREAD: tuple[tuple[int, bytes, str], ...] = (
    (0, b"II\xbc", "JPEG XR"),
    (0, b"8BPS", "Photoshop"),
    (6, b"HEAPCCDR", "camera raw (CRW)"),
    (0, b"FOVb", "camera raw (X3F)"),
    (0, b"P7\n", "PAM"),
    (0, b"PF\n", "PFM"),
    (0, b"Pf\n", "PFM"),
    (0, b"qoif", "QOI"),
    (0, b"DDS ", "DirectDraw"),
    (0, b"\x76\x2f\x31\x01", "OpenEXR"),
    (0, b"#?RADIANCE", "Radiance"),
    (0, b"gimp xcf", "GIMP"),
    (0, b"SIMPLE  =", "FITS"),
    (128, b"DICM", "DICOM"),
    (0, b"\0\0\x01\0", "Windows icon"),
    (0, b"icns", "macOS icon"),
    (0, b"%PDF-", "PDF"),
    (0, b"%!PS", "PostScript"),
    (0, b"<svg", "SVG"),
    (0, b"PK\x03\x04", "zip"),
    (0, b"PK\x05\x06", "zip"),
    (0, b"Rar!\x1a\x07", "RAR"),
    (0, b"7z\xbc\xaf\x27\x1c", "7-Zip"),
    (0, b"\xfd7zXZ\0", "xz"),
    (0, b"\x28\xb5\x2f\xfd", "zstd"),
    (0, b"BZh", "bzip2"),
    (0, b"\x1f\x8b\x08", "gzip"),
    (257, b"ustar", "tar, without the extension .tar"),
    (0, b"PAR1", "Parquet, without the extension .parquet"),
    (0, b"version https://git-lfs.github.com/spec/", "Git LFS pointer, fetched by git lfs pull"),
)


def _unread(data: bytes) -> str | None:
    if _is_dib(data):
        return "BMP without its file header (DIB)"
    return next((name for at, mark, name in _UNREAD if data.startswith(mark, at)), None)


def _is_dib(data: bytes) -> bool:
    """Whether this begins like what follows the first 14 bytes of a BMP: size, planes, depth."""
    size, planes, depth = (
        int.from_bytes(data[start:end], "little") for start, end in ((0, 4), (12, 14), (14, 16))
    )
    return size in _BMP_HEADER_SIZES[2:] and planes == 1 and depth in (1, 4, 8, 16, 24, 32)


def _png_size(data: bytes) -> tuple[int, int]:
    """Size of a PNG file: the first two fields of its first chunk."""
    if data[12:16] != b"IHDR":
        return 0, 0  # damaged; the reader will say so
    return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")


def _webp_size(data: bytes) -> tuple[int, int]:
    """Canvas of a WebP file, see RFC 9649; of a file that is cut short, something smaller."""
    chunk = data[12:16]
    if chunk == b"VP8X":
        # After four bytes of flags, each less one.
        width, height = data[24:27], data[27:30]
        return 1 + int.from_bytes(width, "little"), 1 + int.from_bytes(height, "little")
    if chunk == b"VP8L":
        # After the byte 0x2f: 14 bits of width, 14 of height, each less one.
        bits = int.from_bytes(data[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    # After frame tag and start code: 14 bits each, and 2 that tell a display to enlarge it.
    width, height = data[26:28], data[28:30]
    return int.from_bytes(width, "little") & 0x3FFF, int.from_bytes(height, "little") & 0x3FFF


SIZES: dict[str, Callable[[bytes], tuple[int, int]]] = {"PNG": _png_size, "WEBP": _webp_size}
"""For readers that look beyond the header (PNG), or take memory (WebP), when they open a file."""
