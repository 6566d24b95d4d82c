"""HEIF as phones write it. The files come from scripts/make_test_pictures.py."""

from __future__ import annotations

import struct

import numpy as np
import numpy.typing as npt
import pytest

from tests.helpers.encoded import difference, refusal, sample, waves
from transforms.images.decode import decode
from transforms.images.orientation import upright

_WAVES = waves(96, 128)


@pytest.mark.parametrize("name", ["plain", "444", "10-bits", "12-bits", "second-is-primary"])
def test_the_primary_picture_is_decoded(name: str) -> None:
    picture = decode(sample(f"{name}.heic"))
    assert (picture.width, picture.height, picture.format) == (128, 96, "HEIF")
    assert difference(picture.pixels, _WAVES) < 4


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_is_turned_once(orientation: int) -> None:
    """The files say so twice: by their own properties, and in EXIF data."""
    picture = decode(sample(f"orientation-{orientation}.heic"))
    expected = upright(_WAVES, orientation)
    assert (picture.height, picture.width) == expected.shape[:2]
    assert difference(picture.pixels, expected) < 4


def test_grey_has_three_equal_channels() -> None:
    pixels = decode(sample("grey.heic")).pixels
    assert pixels.shape == (96, 128, 3)
    assert (pixels == pixels[:, :, :1]).all()
    assert difference(pixels[:, :, 0], _grey(_WAVES)) < 2


def _grey(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """ITU-R BT.601."""
    grey: npt.NDArray[np.float64] = pixels @ np.array([0.299, 0.587, 0.114])
    return grey


def test_transparency_becomes_white() -> None:
    pixels = decode(sample("transparent.heic")).pixels
    assert (pixels[:, 68:] > 250).all()
    assert difference(pixels[:, :60], _WAVES[:, :60]) < 5


def test_tiles_are_put_together_and_gain_maps_and_thumbnails_left_out() -> None:
    picture = decode(sample("grid.heic"))
    assert (picture.width, picture.height) == (120, 100)
    assert difference(picture.pixels, waves(100, 120)) < 4


@pytest.mark.parametrize("name", ["plain", "grid", "transparent", "second-is-primary"])
def test_a_file_that_is_cut_short_is_truncated_at_any_length(name: str) -> None:
    data = sample(f"{name}.heic")
    lengths = [*range(12, len(data), len(data) // 60), len(data) - 1]
    assert {refusal(data[:length]) for length in lengths} == {"truncated"}


def test_the_limit_of_pixels_is_told_from_the_header() -> None:
    data = sample("plain.heic")
    assert refusal(data, max_pixels=96 * 128 - 1) == "too_many_pixels"
    size = struct.pack(">II", 128, 96)
    assert data.count(size) == 1
    large = data.replace(size, struct.pack(">II", 30_000, 30_000))
    assert refusal(large) == "too_many_pixels"


def test_a_header_that_promises_less_than_comes_is_no_way_around_the_limit() -> None:
    data = sample("plain.heic")
    small = data.replace(struct.pack(">II", 128, 96), struct.pack(">II", 8, 8))
    assert refusal(small, max_pixels=100) in ("corrupt", "too_many_pixels")


def test_a_codec_that_is_not_there_is_unsupported() -> None:
    data = sample("plain.heic").replace(b"hvc1", b"vvc1").replace(b"hvcC", b"vvcC")
    assert refusal(data) == "unsupported"
