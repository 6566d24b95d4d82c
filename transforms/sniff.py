"""What the first bytes of a file say: its format, and of some formats the size of the picture."""

from __future__ import annotations

from collections.abc import Callable

from transforms.failures import ImageError, Reason

_BMP_HEADER_SIZES = (12, 16, 40, 52, 56, 64, 108, 124)


def format_of(data: bytes) -> str:
    """JPEG, PNG, WEBP, GIF, TIFF or BMP.

    Raises:
        ImageError: unknown_format.
    """
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "WEBP"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if data.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")):
        return "TIFF"
    # Two letters alone would take many a text for a picture.
    if data.startswith(b"BM") and int.from_bytes(data[14:18], "little") in _BMP_HEADER_SIZES:
        return "BMP"
    raise ImageError(Reason.UNKNOWN_FORMAT, "not a JPEG, PNG, WebP, GIF, TIFF or BMP file")


def _png_size(data: bytes) -> tuple[int, int]:
    """Size of a PNG file: the first two fields of its first chunk."""
    if data[12:16] != b"IHDR":
        return 0, 0  # damaged; the reader will say so
    return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")


def _webp_size(data: bytes) -> tuple[int, int]:
    """Canvas of a WebP file, see RFC 9649; of a file that is cut short, something smaller."""
    chunk = data[12:16]
    if chunk == b"VP8X":
        width, height = data[24:27], data[27:30]
        return 1 + int.from_bytes(width, "little"), 1 + int.from_bytes(height, "little")
    if chunk == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    width, height = data[26:28], data[28:30]
    return int.from_bytes(width, "little") & 0x3FFF, int.from_bytes(height, "little") & 0x3FFF


SIZES: dict[str, Callable[[bytes], tuple[int, int]]] = {"PNG": _png_size, "WEBP": _webp_size}
"""For readers that look beyond the header (PNG), or take memory (WebP), when they open a file."""
