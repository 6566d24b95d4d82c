"""Pixels of a JPEG."""

from __future__ import annotations

import io

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
    pillow_pixels,
    refusal,
    waves,
)
from transforms.images.decode import decode


@pytest.mark.parametrize("name", JPEGS)
def test_jpeg_has_the_pixels_that_pillow_decodes(name: str) -> None:
    picture = decode(JPEGS[name])
    np.testing.assert_array_equal(picture.pixels, pillow_pixels(JPEGS[name]))
    assert picture[1:4] == (41, 37, "JPEG")


def _adobe_transform(data: bytes, code: int) -> bytes:
    """The Adobe segment's colour transform: in four channels 0 says CMYK and 2 says YCCK."""
    at = data.index(b"\xff\xee\x00\x0eAdobe") + 15
    return data[:at] + bytes([code]) + data[at + 1 :]


def test_cmyk_is_not_a_negative() -> None:
    red = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    np.testing.assert_allclose(decode(encoded(red, "JPEG")).pixels[8, 8], [255, 0, 0], atol=3)


def test_ycck_has_the_pixels_that_pillow_decodes() -> None:
    ycck = _adobe_transform(JPEGS["cmyk"], 2)
    assert not np.array_equal(pillow_pixels(ycck), pillow_pixels(JPEGS["cmyk"]))
    np.testing.assert_array_equal(decode(ycck).pixels, pillow_pixels(ycck))


def test_cmyk_without_an_adobe_segment_is_not_inverted() -> None:
    inverted = encoded(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG")
    at = inverted.index(b"\xff\xee\x00\x0eAdobe")
    plain = inverted[:at] + inverted[at + 16 :]
    np.testing.assert_allclose(decode(plain).pixels[8, 8], [0, 0, 0], atol=3)


def test_a_multi_picture_jpeg_gives_its_first() -> None:
    other = Image.new("RGB", (8, 8), "blue")
    data = encoded(WAVES, "MPO", save_all=True, append_images=[other])
    assert Image.open(io.BytesIO(data)).format == "MPO"
    picture = decode(data)
    np.testing.assert_array_equal(picture.pixels, decode(JPEGS["baseline"]).pixels)
    assert picture.format == "JPEG"


def test_12_bit_jpeg_is_unsupported() -> None:
    data = bytearray(JPEGS["baseline"])
    data[data.index(b"\xff\xc0") + 4] = 12
    assert refusal(bytes(data)) == "unsupported"


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_exif_orientation_of_jpeg(orientation: int) -> None:
    blocks = STORED.repeat(16, axis=0).repeat(16, axis=1)
    picture = decode(encoded(blocks, "JPEG", exif=orientation_exif(orientation)))
    expected = np.array(UPRIGHT[orientation]) * 40
    np.testing.assert_allclose(picture.pixels[8::16, 8::16, 1], expected, atol=2)
    assert (picture.height, picture.width) == (16 * expected.shape[0], 16 * expected.shape[1])


@pytest.mark.parametrize(
    ("min_side", "expected"),
    [
        (None, (400, 640, 3)),
        (201, (400, 640, 3)),
        (200, (200, 320, 3)),
        (101, (200, 320, 3)),
        (100, (100, 160, 3)),
        (51, (100, 160, 3)),
        (50, (50, 80, 3)),
        (1, (50, 80, 3)),
    ],
)
def test_a_large_jpeg_is_decoded_smaller(
    min_side: int | None, expected: tuple[int, int, int]
) -> None:
    picture = decode(encoded(waves(400, 640), "JPEG"), min_side=min_side)
    assert picture.pixels.shape == expected
    assert (picture.width, picture.height) == (640, 400)


def test_a_reduced_jpeg_is_turned_upright() -> None:
    data = encoded(waves(400, 640), "JPEG", exif=orientation_exif(6))
    picture = decode(data, min_side=50)
    assert picture.pixels.shape == (80, 50, 3)
    assert (picture.width, picture.height) == (400, 640)


def test_a_partial_pixel_is_never_mirrored_to_the_front() -> None:
    upright = decode(encoded(waves(402, 642), "JPEG"), min_side=50)
    mirrored = decode(encoded(waves(402, 642), "JPEG", exif=orientation_exif(3)), min_side=50)
    assert upright.pixels.shape == (51, 81, 3)
    assert mirrored.pixels.shape == (201, 321, 3)


@pytest.mark.parametrize("before", [b"\xff\xd9", b"\xff\xdb", b"\xff\xda"])
def test_stray_bytes_before_a_marker_do_no_harm(before: bytes) -> None:
    """The decoder complains of them, and still all the pixels are there."""
    data = JPEGS["baseline"]
    at = data.rindex(before)
    pixels = decode(data[:at] + b"\0\0\0" + data[at:]).pixels
    np.testing.assert_array_equal(pixels, decode(data).pixels)
    assert refusal((data[:at] + b"\0\0\0" + data[at:])[: len(data) - 20]) == "truncated"


def test_a_jpeg_with_a_damaged_middle_is_refused() -> None:
    data = bytearray(encoded(waves(200, 200), "JPEG", restart_marker_blocks=4))
    at = data.index(b"\xff\xd3")
    data[at + 1] = 0xD6  # restart markers out of order: something between them is lost
    assert refusal(bytes(data)) == "corrupt"
