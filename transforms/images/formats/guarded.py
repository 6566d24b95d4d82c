"""HEIF, AVIF, JPEG XL and JPEG 2000 to pixels, each by its library in a helper process."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy.typing as npt

from transforms.failures import ImageError, Reason
from transforms.images.formats import guarded_pillow, heif, jxl
from transforms.images.formats.jpeg import decode_jpeg
from transforms.images.guarded import guard
from transforms.images.limits import check_pixels
from transforms.images.memory import picture_bytes
from transforms.images.pixels import Decoded, Scratch
from transforms.storage.content import Reserve

_HEADER_LIMITS = guard.Limits(memory=256 * 1024 * 1024, seconds=10)

# Address space that libraries ask for without using it.
_SPARE_BYTES = 256 * 1024 * 1024

# Processor time: three times what the slowest takes that we know, noise in JPEG 2000 without loss:
# 0.7 microseconds a pixel.
_SECONDS, _SECONDS_A_PIXEL = 10.0, 2e-6


class _Library(NamedTuple):
    """What decodes a format.

    Attributes:
        name: of the format, for a person.
        size: columns and rows from the header.
        pixels: what `transforms.images.pixels.Decoded` holds, or a JPEG file; and the ICC profile
            as uint8[n] if only the library knows it.
        a_pixel: bytes for each pixel at the peak, as measured.
        module: that has to be installed.
        install: how.
    """

    name: str
    size: Callable[[bytes], npt.NDArray[Any]]
    pixels: Callable[[bytes], guard.Arrays]
    a_pixel: int
    module: str = "PIL"
    install: str = "pillow"


GUARDED: Mapping[str, _Library] = {
    "HEIF": _Library("HEIF", heif.size, heif.pixels, 30, "pi_heif", "pi-heif"),
    "AVIF": _Library(
        "AVIF", partial(guarded_pillow.size, "AVIF"), partial(guarded_pillow.pixels, "AVIF"), 30
    ),
    "JXL": _Library("JPEG XL", jxl.size, jxl.pixels, 35, "pillow_jxl", "'quantlabel[jxl]'"),
    "JPEG2000": _Library(
        "JPEG 2000",
        partial(guarded_pillow.size, "JPEG2000"),
        partial(guarded_pillow.pixels, "JPEG2000"),
        35,
    ),
}
"""By the name that `transforms.sniff.format_of` gives."""


def decode_guarded(
    kind: str, data: bytes, *, max_pixels: int, scratch: Scratch | None, reserve: Reserve
) -> Decoded:
    """Decodes the picture of a file of a known format, upright and over white.

    The arguments are those of `transforms.images.decode.decode`.

    Raises:
        ImageError: as `transforms.images.decode.decode` says.
    """
    library = GUARDED[kind]
    if importlib.util.find_spec(library.module) is None:
        text = f"{library.name} needs a package: pip install {library.install}"
        raise ImageError(Reason.UNSUPPORTED_FORMAT, text)
    reserve(guard.BASE_BYTES)
    width, height = map(int, guard.call(library.size, data, limits=_HEADER_LIMITS))
    check_pixels(width, height, max_pixels=max_pixels)
    if not width * height:
        raise ImageError(Reason.CORRUPT, f"{library.name} data are corrupt: no pixels")
    cost = picture_bytes(width, height, a_pixel=library.a_pixel, copied=len(data))
    reserve(guard.BASE_BYTES + cost)
    limits = guard.Limits(
        memory=_SPARE_BYTES + cost, seconds=_SECONDS + width * height * _SECONDS_A_PIXEL
    )
    pixels, *known = guard.call_all(library.pixels, data, limits=limits)
    profile = known[0].tobytes() if known and known[0].size else None
    if pixels.ndim == 1:
        jpeg = decode_jpeg(
            pixels.tobytes(),
            max_pixels=max_pixels,
            min_side=None,
            scratch=scratch,
            reserve=reserve,
            as_cmyk=False,
        )
        return jpeg._replace(format=kind, profile=profile)
    check_pixels(pixels.shape[1], pixels.shape[0], max_pixels=max_pixels)
    return Decoded(pixels, pixels.shape[1], pixels.shape[0], kind, profile)
