from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from tests.helpers.profiles import (
    PROFILES,
    SRGB_CURVE,
    formula,
    grey_profile,
    power,
    profile,
    rgb_profile,
    table,
    xyz,
)
from transforms.images.colour.icc import MAX_PROFILE, read_simple
from transforms.images.colour.space import SRGB_TO_XYZ, Space, srgb_light

CURVE = srgb_light(np.linspace(0, 1, 1024))


def simple(icc: bytes) -> Space:
    found = read_simple(icc)
    assert found is not None
    return found


@pytest.mark.parametrize(
    "icc",
    [
        rgb_profile(SRGB_TO_XYZ, SRGB_CURVE),
        rgb_profile(SRGB_TO_XYZ, SRGB_CURVE, version=4),
        rgb_profile(SRGB_TO_XYZ, table(CURVE.tolist())),
        rgb_profile(SRGB_TO_XYZ, table(CURVE[::33].tolist()), SRGB_CURVE, SRGB_CURVE),
        # Four decimals, as HP and Microsoft have them; and slightly other whites.
        rgb_profile(SRGB_TO_XYZ.round(4), SRGB_CURVE),
        rgb_profile(SRGB_TO_XYZ * [[1.0003], [1], [0.9997]], SRGB_CURVE),
        # The formula of five numbers, and the one of seven that says the same.
        rgb_profile(
            SRGB_TO_XYZ, formula(4, 2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045, 0, 0)
        ),
        ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
        grey_profile(SRGB_CURVE),
    ],
)
def test_srgb_in_its_spellings(icc: bytes) -> None:
    assert simple(icc).is_srgb


@pytest.mark.parametrize(
    "icc",
    [
        *PROFILES.values(),
        rgb_profile(SRGB_TO_XYZ, power(2.2)),
        rgb_profile(SRGB_TO_XYZ[:, [1, 0, 2]], SRGB_CURVE),
        grey_profile(power(2.2)),
    ],
)
def test_what_is_not_srgb(icc: bytes) -> None:
    assert not simple(icc).is_srgb


@pytest.mark.parametrize("name", PROFILES)
def test_colours_are_those_of_littlecms(name: str) -> None:
    colours = np.random.default_rng(7).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    expected = ImageCms.profileToProfile(
        Image.fromarray(colours),
        ImageCms.ImageCmsProfile(io.BytesIO(PROFILES[name])),
        ImageCms.createProfile("sRGB"),
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
    )
    found = simple(PROFILES[name]).convert(colours).astype(int)
    assert np.abs(found - np.asarray(expected)).max() <= 1


def test_each_kind_of_formula() -> None:
    """Literal values of light for the code 128, 0.50196."""
    for curve, light in (
        (formula(0, 2.0), 0.25197),
        (formula(1, 2.0, 2.0, -0.5), 0.25395),  # (2 x - 0.5) ** 2
        (formula(2, 2.0, 1.0, 0.0, 0.125), 0.37697),  # x ** 2 + 0.125
        (formula(3, 2.0, 1.0, 0.0, 0.5, 0.75), 0.25098),  # below d: x / 2
        (formula(4, 2.0, 1.0, 0.0, 0.5, 0.25, 0.0625, 0.0), 0.31447),  # x ** 2 + 0.0625
        (power(2), 0.25197),
        (table([0, 0.2, 1]), 0.20314),
        (b"curv\0\0\0\0\0\0\0\0", 0.50196),
    ):
        assert simple(rgb_profile(SRGB_TO_XYZ, curve)).curves[0, 128] == pytest.approx(
            light, abs=1e-4
        )


def test_grey_in_lightness() -> None:
    """L* 50 is 0.1842 of the light."""
    found = simple(grey_profile(table([0, 1]), space=b"Lab "))
    assert found.curves[0, 128] == pytest.approx(0.1860, abs=1e-3)


def test_profiles_with_tables_are_for_littlecms() -> None:
    assert read_simple(profile({b"A2B0": b"mft1"})) is None
    assert read_simple(profile({b"A2B0": b"mft1"}, colours=b"CMYK", space=b"Lab ")) is None


GOOD = PROFILES["Display P3"]


@pytest.mark.parametrize(
    ("icc", "message"),
    [
        (b"", "not an ICC profile"),
        (GOOD[:131], "not an ICC profile"),
        (GOOD[:-1], "of which"),
        (GOOD[:128] + struct.pack(">I", 101) + GOOD[132:], "with 101 tags"),
        (GOOD[:128] + struct.pack(">I", 0xFFFFFFFF) + GOOD[132:], "tags"),
        (GOOD[:140] + struct.pack(">I", 0xFFFFFFF0) + GOOD[144:], "outside of the profile"),
        (GOOD + bytes(MAX_PROFILE), "a profile of"),
        (profile({}), "without b'rTRC'"),
        (profile({b"kTRC": b"curv"}, colours=b"GRAY"), "cut off"),
        (grey_profile(b"curv\0\0\0\0\xff\xff\xff\xff"), "points"),
        (grey_profile(b"curv\0\0\0\0\0\0\0\x09\0\0"), "a curve of 9 points"),
        (grey_profile(formula(5, 1)), "a formula of the kind 5"),
        (grey_profile(formula(3, 1)), "a formula of the kind 3"),
        (grey_profile(formula(1, 2, 0, 0)), "divides by 0"),
        (grey_profile(b"mft2" + bytes(20)), "a curve of the type"),
        (
            rgb_profile(SRGB_TO_XYZ, SRGB_CURVE).replace(xyz((0.4361, 0, 0))[:8], b"none" * 2),
            "none",
        ),
        (profile({}, colours=b"Lab "), "a profile of b'Lab '"),
        (profile({}, space=b"Lab "), "another space"),
    ],
)
def test_damaged_profiles_are_refused(icc: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_simple(icc)


def test_a_power_that_no_number_holds_is_cut_or_refused() -> None:
    for gamma in (-30.0, -0.001, 0.0, 32767.0):
        try:
            found = simple(grey_profile(formula(0, gamma)))
        except ValueError:
            continue
        assert ((found.curves >= 0) & (found.curves <= 1)).all()


@settings(max_examples=300, deadline=None)
@given(
    name=st.sampled_from(sorted(PROFILES)),
    changes=st.lists(st.tuples(st.integers(0, 700), st.binary(max_size=8)), max_size=6),
    end=st.integers(0, 800),
)
def test_any_bytes_are_a_space_or_refused(
    name: str, changes: list[tuple[int, bytes]], end: int
) -> None:
    icc = bytearray(PROFILES[name])
    for at, new in changes:
        icc[at : at + len(new)] = new
    try:
        found = read_simple(bytes(icc[:end]))
    except ValueError:
        return
    if found is not None:
        assert found.convert(np.zeros((1, 3), np.uint8)).shape == (1, 3)
