"""JPEG to pixels, by simplejpeg."""

from __future__ import annotations

import numpy as np
import simplejpeg
from PIL import Image

from transforms.failures import ImageError, Reason
from transforms.images.formats import jpeg_header
from transforms.images.formats.pillow import cmyk_or_rgb, load, open_picture
from transforms.images.limits import check_pixels
from transforms.images.memory import picture_bytes
from transforms.images.orientation import exif_orientation, upright
from transforms.images.pixels import RGB, Decoded, Scratch
from transforms.storage.content import Reserve

# 6 of coefficients where there are several scans, and 3 of pixels; or 3, and 7 to resample them. At
# full size, because a decoder has all coefficients of a picture whatever size is asked for.
_BYTES_A_PIXEL = 10

# Measured, as the next one: tests/transforms/images/test_memory.py.
_CMYK_BYTES_A_PIXEL = 22

_PILLOW_BYTES_A_PIXEL = 26


def decode_jpeg(
    data: bytes,
    *,
    max_pixels: int,
    min_side: int | None,
    scratch: Scratch | None,
    reserve: Reserve,
    as_cmyk: bool,
) -> Decoded:
    """Decodes a JPEG, upright, at full size or a fraction of it.

    Args and errors are those of `transforms.images.decode.decode`.
    """
    header = jpeg_header.read_header(data)
    width, height = header.width, header.height
    check_pixels(width, height, max_pixels=max_pixels)
    orientation = exif_orientation(header.exif)
    reduction = _reduction(header, min_side, mirrored=orientation > 1)
    pixels = _jpeg_pixels(
        data,
        header,
        # libjpeg rounds up.
        height=-(-height // reduction),
        width=-(-width // reduction),
        scratch=scratch,
        reserve=reserve,
        as_cmyk=as_cmyk,
    )
    if orientation > 4:
        width, height = height, width
    return Decoded(upright(pixels, orientation), width, height, "JPEG")


def _reduction(header: jpeg_header.Header, min_side: int | None, *, mirrored: bool) -> int:
    """The largest of 8, 4 and 2 that leaves `min_side` pixels, else 1.

    A side that does not divide evenly ends in a partial pixel. Mirroring would bring it to the
    front, where it would shift the picture; such a picture is not reduced so far. The lossless
    process has no transform that could be cut short.
    """
    if min_side is None or header.lossless:
        return 1
    for factor in (8, 4, 2):
        even = header.width % factor == 0 and header.height % factor == 0
        if min(header.width, header.height) >= factor * min_side and (even or not mirrored):
            return factor
    return 1


def _jpeg_pixels(
    data: bytes,
    header: jpeg_header.Header,
    *,
    height: int,
    width: int,
    scratch: Scratch | None,
    reserve: Reserve,
    as_cmyk: bool,
) -> RGB:
    """uint8[height, width, 3], or 4 of CMYK, or of full size if only Pillow can decode the file."""
    cmyk = header.components == 4
    channels = 4 if cmyk else 3
    sides = header.width, header.height
    reserve(picture_bytes(*sides, a_pixel=_CMYK_BYTES_A_PIXEL if cmyk else _BYTES_A_PIXEL))
    try:
        pixels: RGB = simplejpeg.decode_jpeg(
            data,
            colorspace="CMYK" if cmyk else "RGB",
            min_height=height,
            min_width=width,
            strict=True,
            buffer=scratch.of(height * width * channels) if scratch else None,
        )
    except (ValueError, KeyError) as error:
        _raise_if_damaged(error)
        reserve(picture_bytes(*sides, a_pixel=_PILLOW_BYTES_A_PIXEL, copied=len(data)))
        image = load("JPEG", open_picture("JPEG", jpeg_header.without_metadata(data, header)))
        return cmyk_or_rgb(image, as_cmyk=as_cmyk)
    if not cmyk:
        return pixels
    inks = 255 - pixels if header.adobe else pixels  # Adobe's programs store them inverted
    return inks if as_cmyk else np.asarray(Image.fromarray(inks, "CMYK").convert("RGB"))


# Parts of libjpeg's messages (jerror.h) after which some pixels are made up.
#
# Its other complaints (bytes between two segments, odd scan parameters) leave the pixels whole, or
# are fatal to Pillow too: there Pillow decides.
_JPEG_DAMAGE = (
    ("premature end", Reason.TRUNCATED),
    ("bad huffman code", Reason.CORRUPT),
    ("bad arithmetic code", Reason.CORRUPT),
    ("instead of rst", Reason.CORRUPT),
)


def _raise_if_damaged(error: Exception) -> None:
    text = str(error).lower()
    for part, reason in _JPEG_DAMAGE:
        if part in text:
            raise ImageError(reason, f"JPEG data are {reason.value} ({error})") from error
