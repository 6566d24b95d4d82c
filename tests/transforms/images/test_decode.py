"""Formats, colours, orientation and damage, each on pictures made here."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.helpers.encoded import (
    JPEGS,
    STORED,
    UPRIGHT,
    WAVES,
    encoded,
    orientation_exif,
    refusal,
)
from transforms.failures import ImageError
from transforms.images.decode import decode


def _answer(data: bytes) -> bytes | str:
    """The pixels or the reason."""
    try:
        return decode(data).pixels.tobytes()
    except ImageError as error:
        return error.reason.value


@pytest.mark.parametrize("encoding", ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP"])
def test_a_picture_of_one_pixel(encoding: str) -> None:
    picture = decode(encoded(np.full((1, 1, 3), 255, np.uint8), encoding))
    assert picture.pixels.tolist() == [[[255, 255, 255]]]
    assert picture[1:4] == (1, 1, encoding)


@pytest.mark.parametrize("encoding", ["PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", UPRIGHT)
def test_exif_orientation(encoding: str, orientation: int) -> None:
    options = {"lossless": True} if encoding == "WEBP" else {}
    rgb = Image.fromarray(STORED).convert("RGB")
    picture = decode(encoded(rgb, encoding, exif=orientation_exif(orientation), **options))
    expected = np.array(UPRIGHT[orientation]) * 40
    assert picture.pixels[..., 1].tolist() == expected.tolist()
    assert (picture.height, picture.width) == expected.shape


@pytest.mark.parametrize("encoding", ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP"])
def test_pixels_are_counted_from_the_header(encoding: str) -> None:
    data = encoded(WAVES, encoding)
    assert decode(data, max_pixels=37 * 41).width == 41
    assert refusal(data, max_pixels=37 * 41 - 1) == "too_many_pixels"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "empty"),
        (b"these are words\n" * 50, "unknown_format"),
        (b"BMW is a maker of cars, and this is a text.", "unknown_format"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "unsupported_format"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "unsupported_format"),
        (b"\xff\xd8", "unknown_format"),
        (b"\xff\xd8\xff", "truncated"),
        (b"\xff\xd8\xff" + b"words " * 50, "corrupt"),
        (b"\x89PNG\r\n\x1a\n" + b"words " * 50, "corrupt"),
        (b"GIF89a" + bytes(500), "truncated"),
        (b"BM" + bytes(12) + b"\x28\0\0\0" + b"\xff" * 500, "unsupported"),
        (b"RIFF\x20\0\0\0WEBPVP8 " + bytes(100), "corrupt"),
        (b"II*\0\x08\0\0\0" + bytes(100), "corrupt"),
    ],
)
def test_what_is_no_picture(data: bytes, expected: str) -> None:
    assert refusal(data) == expected


def test_a_format_that_is_not_ours_is_refused() -> None:
    assert refusal(encoded(WAVES, "ICO")) == "unsupported_format"
    assert refusal(encoded(WAVES, "PCX")) == "unknown_format"


@pytest.mark.parametrize(
    ("encoding", "options"),
    [
        ("PNG", {}),
        ("GIF", {}),
        ("BMP", {}),
        ("WEBP", {}),
        ("WEBP", {"lossless": True}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("TIFF", {"compression": "tiff_adobe_deflate"}),
    ],
)
def test_a_cut_file_is_refused_or_has_all_its_pixels(
    encoding: str, options: dict[str, Any]
) -> None:
    data = encoded(WAVES, encoding, **options)
    whole = decode(data).pixels.tobytes()
    answers = [_answer(data[:size]) for size in range(20, len(data))]
    assert set(answers) <= {"truncated", whole}
    assert answers[len(data) // 2] == "truncated"


def test_threads_get_the_same_answers() -> None:
    files = [*JPEGS.values(), *(data[: len(data) // 2] for data in JPEGS.values())]
    files += [encoded(WAVES, encoding) for encoding in ("PNG", "WEBP", "GIF", "TIFF", "BMP")]

    alone = [_answer(data) for data in files]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(_answer, files * 20)) == alone * 20


NOISY = r"""
import io, sys
from PIL import Image
from tests.helpers.encoded import encoded, orientation_exif, png_chunk, waves
from transforms.images.decode import decode
from transforms.failures import ImageError
palette = Image.fromarray(waves(9, 9)).convert("P")
tiff = encoded(waves(9, 9), "TIFF")
lzw = encoded(waves(99, 99), "TIFF", compression="tiff_lzw")
png = encoded(waves(9, 9), "PNG")
jpeg = encoded(waves(9, 9), "JPEG", exif=orientation_exif(6))
at = tiff.index(b"\x15\x01\x03\x00") + 8
files = [
    encoded(palette, "PNG", transparency=bytes(range(256))),
    png[:33] + png_chunk(b"acTL", bytes(8)) + png[33:],
    tiff[:60], tiff[: len(tiff) - 40], lzw[:2000],
    tiff[:at] + b"\xff\xff" + tiff[at + 2:],
    jpeg.replace(b"II*\0", b"XX*\0"), jpeg.replace(b"MM\0*", b"MM\0+"),
    jpeg[:-20], jpeg[:-20] + b"\xff\xd9",
]
for data in files:
    try:
        decode(data)
    except ImageError:
        pass
"""


def test_nothing_is_printed() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "default", "-c", NOISY], capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("", "")
