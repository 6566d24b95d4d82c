from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageCms

from tests.helpers.encoded import encoded, waves
from tests.helpers.profiles import (
    PROFILES,
    SRGB_CURVE,
    grey_profile,
    power,
    press_profile,
    profile,
    rgb_profile,
)
from transforms.images.colour.conversion import conversion
from transforms.images.colour.space import SRGB, SRGB_TO_XYZ, by_codes
from transforms.images.preprocess import load
from transforms.images.settings import Colour
from transforms.kernel import Kernel

WAVES = waves(160, 200)
SRGB_PROFILE = rgb_profile(SRGB_TO_XYZ, SRGB_CURVE)
P3 = PROFILES["Display P3"]


@pytest.mark.parametrize("kernel", ["auto", "python"])
@pytest.mark.parametrize("views", [1, 4])
@pytest.mark.parametrize("encoding", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_what_is_done_is_said(encoding: str, views: int, kernel: Kernel) -> None:
    plain = load(encoded(WAVES, encoding), views=views)
    cases: tuple[tuple[bytes | None, Colour, str], ...] = (
        (None, "managed", "none"),
        (None, "ignore", "none"),
        (SRGB_PROFILE, "managed", "srgb"),
        (SRGB_PROFILE, "ignore", "ignored"),
        (P3, "ignore", "ignored"),
        (P3[:-9], "managed", "unreadable"),
        (grey_profile(power(2.2)), "managed", "unreadable"),
        (profile({b"A2B0": bytes(40)}, colours=b"CMYK"), "managed", "unreadable"),
        (profile({b"A2B0": bytes(40)}), "managed", "unreadable"),
    )
    for icc, colour, said in cases:
        data = encoded(WAVES, encoding, **({"icc_profile": icc} if icc else {}))
        found = load(data, views=views, colour=colour, kernel=kernel)
        assert found.colour == said
        assert np.array_equal(found.pixels, plain.pixels)
    found = load(encoded(WAVES, encoding, icc_profile=P3), views=views, kernel=kernel)
    assert found.colour == "converted"
    p3 = by_codes(12, 13)
    assert p3 is not None
    assert np.abs(found.pixels.astype(int) - p3.convert(plain.pixels)).max() <= 1
    assert not np.array_equal(found.pixels, plain.pixels)


def test_a_grey_picture_may_have_a_profile_of_grey_or_of_colour() -> None:
    grey = np.full((20, 20), 128, np.uint8)
    for encoding in ("JPEG", "PNG", "TIFF"):
        light = load(encoded(grey, encoding, icc_profile=grey_profile(power(1))), size=4)
        assert (light.colour, np.unique(light.pixels).tolist()) == ("converted", [188])
        linear = load(encoded(grey, encoding, icc_profile=PROFILES["linear"]), size=4)
        assert (linear.colour, np.unique(linear.pixels).tolist()) == ("converted", [188])


def test_spaces_that_are_known_by_their_numbers() -> None:
    assert conversion(SRGB, "managed") == ("srgb", None)
    p3 = by_codes(12, 13)
    assert conversion(p3, "managed") == ("converted", p3)
    assert conversion(p3, "ignore") == ("ignored", None)
    assert conversion(None, "managed") == ("none", None)


def test_a_damaged_profile_changes_nothing_in_cmyk_either() -> None:
    cmyk = Image.fromarray(WAVES).convert("CMYK")
    for encoding in ("JPEG", "TIFF"):
        plain = load(encoded(cmyk, encoding))
        broken = profile({b"A2B0": bytes(40)}, colours=b"CMYK", space=b"Lab ")
        for icc in (broken, P3, b"x" * 300):
            found = load(encoded(cmyk, encoding, icc_profile=icc))
            assert found.colour == "unreadable"
            assert np.array_equal(found.pixels, plain.pixels)


@pytest.mark.parametrize("views", [1, 4])
def test_cmyk_is_converted_by_its_profile(views: int, press: bytes) -> None:
    """Against LittleCMS on the whole picture."""
    srgb = ImageCms.createProfile("sRGB")
    there = ImageCms.ImageCmsProfile(io.BytesIO(press))
    how = ImageCms.Intent.RELATIVE_COLORIMETRIC, "RGB", False, ImageCms.Flags.BLACKPOINTCOMPENSATION
    cmyk = ImageCms.profileToProfile(
        Image.fromarray(WAVES), srgb, there, how[0], outputMode="CMYK", flags=how[3]
    )
    assert cmyk is not None
    back = ImageCms.profileToProfile(cmyk, there, srgb, *how)
    assert back is not None
    expected = load(encoded(back, "PNG"), views=views).pixels
    for file in (
        encoded(cmyk, "TIFF", icc_profile=press),
        encoded(cmyk, "JPEG", icc_profile=press, quality=100, subsampling=0),
    ):
        found = load(file, views=views)
        assert found.colour == "converted"
        assert np.abs(found.pixels.astype(int) - expected).mean() < 2
        assert found.pixels.shape == expected.shape


@pytest.fixture(scope="module")
def press() -> bytes:
    """A profile with tables in four dimensions: the inks of a printer that only multiplies."""
    return press_profile()


def test_after_many_profiles_the_first_is_read_again() -> None:
    for gamma in range(40):
        icc = rgb_profile(SRGB_TO_XYZ, power(1 + gamma / 20))
        assert conversion(icc, "managed").done in ("converted", "srgb")
    assert conversion(P3, "managed") is conversion(P3, "managed")
