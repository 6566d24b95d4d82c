"""JPEG XL, bare and in its container. Turned ones come from scripts/make_test_pictures.py."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import imagecodecs
import numpy as np
import pillow_jxl
import pytest
from PIL import Image

from tests.helpers.encoded import difference, encoded, orientation_exif, refusal, sample, waves
from transforms.failures import ImageError
from transforms.images.colour.icc import read_simple
from transforms.images.decode import decode
from transforms.images.formats import jxl
from transforms.images.orientation import upright

assert pillow_jxl  # it teaches Pillow to write JPEG XL

_WAVES = waves(96, 128)


def _jxl(pixels: object, **options: object) -> bytes:
    return encoded(pixels, "JXL", **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("container", [False, True])
def test_without_loss_it_is_the_very_picture(container: bool) -> None:
    data = _jxl(_WAVES, lossless=True, use_container=container)
    picture = decode(data)
    assert data.startswith(b"\0\0\0\x0cJXL " if container else b"\xff\x0a")
    assert (picture.width, picture.height, picture.format) == (128, 96, "JXL")
    assert (picture.pixels == _WAVES).all()


def test_grey_of_16_bits_keeps_the_high_byte() -> None:
    samples = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64) * 16
    pixels = decode(_jxl(samples, lossless=True)).pixels
    assert (pixels == (samples >> 8)[:, :, np.newaxis]).all()


def test_grey_of_16_bits_with_transparency_keeps_the_high_bytes() -> None:
    grey = waves(9, 11)[..., 0].astype(np.uint16) * 257
    alpha = np.where(np.arange(11) < 5, 65_535, 0).astype(np.uint16)
    samples = np.dstack([grey, np.broadcast_to(alpha, grey.shape)])
    pixels = decode(bytes(imagecodecs.jpegxl_encode(samples, lossless=True))).pixels
    expected = np.where(np.arange(11) < 5, grey >> 8, 255)
    assert np.array_equal(pixels, np.repeat(expected[..., None], 3, axis=2))


def test_floats_have_no_known_black_and_white() -> None:
    assert refusal(_jxl(Image.fromarray(np.ones((8, 8), np.float32)))) == "unsupported"


def test_transparency_becomes_white() -> None:
    alpha = np.where(np.arange(128) < 64, 255, 0).astype(np.uint8)
    data = _jxl(np.dstack([_WAVES, np.broadcast_to(alpha, (96, 128))]), lossless=True)
    pixels = decode(data).pixels
    assert (pixels[:, :64] == _WAVES[:, :64]).all()
    assert (pixels[:, 64:] == 255).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_of_the_header_counts(orientation: int) -> None:
    data = sample(f"orientation-{orientation}.jxl")
    expected = upright(_WAVES, orientation)
    assert jxl.size(data).tolist() == [expected.shape[1], expected.shape[0]]
    assert difference(decode(data).pixels, expected) < 4


def test_that_of_exif_data_does_not() -> None:
    exif = orientation_exif(6).tobytes()
    assert (decode(_jxl(_WAVES, lossless=True, exif=exif)).pixels == _WAVES).all()


@pytest.mark.parametrize("orientation", [1, 6])
def test_a_jpeg_within_comes_out_as_it_went_in(tmp_path: Path, orientation: int) -> None:
    jpeg = encoded(_WAVES, "JPEG", exif=orientation_exif(orientation))
    (tmp_path / "a.jpg").write_bytes(jpeg)
    stream = io.BytesIO()
    Image.open(tmp_path / "a.jpg").save(stream, "JXL", lossless_jpeg=True)
    picture = decode(stream.getvalue())
    assert picture.format == "JXL"
    assert (picture.pixels == decode(jpeg).pixels).all()


def test_the_profile_of_the_pixels_comes_with_them() -> None:
    """That of sRGB if nothing is said. Of Adobe RGB with loss, linear light is handed out."""
    for data, light in (
        (_jxl(_WAVES, lossless=True), 0.2158),
        (sample("display-p3.jxl"), 0.2158),
        (sample("adobe-rgb.jxl"), 0.5020),
    ):
        space = read_simple(decode(data).profile or b"")
        assert space is not None
        assert space.curves[:, 128] == pytest.approx([light] * 3, abs=1e-3)


def test_an_animation_is_refused() -> None:
    """The library hands out its last frame."""
    assert refusal(sample("animated.jxl")) == "unsupported"


@pytest.mark.parametrize(
    ("container", "expected"), [(True, {"truncated"}), (False, {"truncated", "corrupt"})]
)
def test_a_file_that_is_cut_short_is_refused_at_any_length(
    container: bool, expected: set[str]
) -> None:
    """Of a bare codestream the library does not say where it ends."""
    data = _jxl(_WAVES, quality=90, use_container=container)
    lengths = [*range(12, len(data), len(data) // 40), len(data) - 1]
    assert {refusal(data[:length]) for length in lengths} <= expected


@pytest.mark.parametrize(
    ("width", "height"),
    [
        (8, 8),
        (256, 256),
        (257, 9),
        (320, 240),
        (1200, 1000),
        (160, 90),
        (3, 2),
        (700, 1),
        (1, 9000),
    ],
)
def test_the_size_is_read_from_the_header(width: int, height: int) -> None:
    data = _jxl(np.zeros((height, width), np.uint8), lossless=True)
    assert jxl.size(data).tolist() == [width, height]


def test_the_limit_of_pixels_is_told_from_the_header() -> None:
    assert refusal(_jxl(_WAVES), max_pixels=96 * 128 - 1) == "too_many_pixels"
    # Not small; 30 bits and one more for the height, twice as many columns.
    bits = 0 | 3 << 1 | (1 << 20) << 3 | 7 << 33
    assert refusal(b"\xff\x0a" + bits.to_bytes(8, "little")) == "too_many_pixels"


def test_without_its_package_the_message_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "pillow_jxl", None)
    with pytest.raises(ImageError, match=r"pip install 'quantlabel\[jxl\]'") as raised:
        decode(sample("animated.jxl"))
    assert raised.value.reason == "unsupported_format"
