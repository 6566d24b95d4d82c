"""Encoded bytes of a picture to an RGB array, or an `ImageError` that says why not.

Every function is pure and safe to call from several threads; the decoders release the GIL.

JPEG goes through simplejpeg: the same pixels as Pillow in about two thirds of the time, and it
reports what Pillow passes over, a picture that breaks off before its end marker and is grey from
there on. Everything else goes through Pillow's reader of the format that the first bytes name, and
through no other. The readers are called directly rather than by `Image.open`, whose size check is a
setting of the whole process.

HEIF, AVIF, JPEG XL and JPEG 2000 are decoded in helper processes: `transforms.images.guarded`.

A decoder in a thread cannot be stopped, so what it would take for ever for is refused before it
begins, or taken out: see `transforms.images.limits` and `transforms.images.formats.jpeg_header`.
"""

from __future__ import annotations

from transforms import sniff
from transforms.failures import ImageError, Reason
from transforms.images.formats import raw
from transforms.images.formats.guarded import GUARDED, decode_guarded
from transforms.images.formats.jpeg import decode_jpeg
from transforms.images.formats.pillow import decode_by_pillow
from transforms.images.pixels import Decoded, Scratch
from transforms.images.settings import MAX_PIXELS
from transforms.storage.content import Reserve


def decode(
    data: bytes,
    *,
    max_pixels: int = MAX_PIXELS,
    min_side: int | None = None,
    scratch: Scratch | None = None,
    reserve: Reserve = lambda _: None,
    as_cmyk: bool = False,
) -> Decoded:
    """Decodes the first picture of a file, upright and over white where it is transparent.

    Samples of 16 bits keep their high byte. CMYK is converted by a formula unless it is asked for,
    and colour profiles are not applied: see `transforms.images.colour`.

    Args:
        data: the content of a picture file, see `transforms.sniff.format_of`.
        max_pixels: a picture with more is refused before memory is spent on it.
        min_side: a JPEG may be decoded at 1/2, 1/4 or 1/8 of its size as long as its shorter side
            keeps this many pixels, which is good enough to look at, not to label. None: always at
            full size.
        scratch: memory to decode a JPEG into; the result is then good until it is used again.
        as_cmyk: a JPEG or TIFF in CMYK comes as it is, uint8[h, w, 4], 255 for full ink.
        reserve: called with the bytes that the picture takes at its peak, until it is cropped and
            resampled, before they are taken; may block. Called again, it replaces what it had.

    Raises:
        ImageError: empty, unknown_format, unsupported_format, unsupported, too_many_pixels,
            too_complex, truncated, corrupt, too_slow or decoder_crashed. A JPEG must reach its end
            marker: without it a progressive one cannot be told from one that lost its last scans.
            Bytes after the end marker are ignored.
    """
    if not data:
        raise ImageError(Reason.EMPTY, "the file is empty")
    kind = sniff.format_of(data)
    jpeg = raw.jpeg_of(data) if kind in ("RAW", "TIFF") else None
    if kind == "JPEG" or jpeg is not None:
        decoded = decode_jpeg(
            data if jpeg is None else jpeg,
            max_pixels=max_pixels,
            min_side=min_side,
            scratch=scratch,
            reserve=reserve,
            as_cmyk=as_cmyk,
        )
        return decoded if jpeg is None else decoded._replace(format="RAW")
    if kind in GUARDED:
        return decode_guarded(kind, data, max_pixels=max_pixels, scratch=scratch, reserve=reserve)
    return decode_by_pillow(kind, data, max_pixels=max_pixels, reserve=reserve, as_cmyk=as_cmyk)
