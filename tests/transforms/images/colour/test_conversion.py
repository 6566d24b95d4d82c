from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pillow_jxl
import pytest
from PIL import Image, ImageCms

from tests.helpers.encoded import difference, encoded, orientation_exif, sample, waves
from tests.helpers.profiles import (
    PROFILES,
    SRGB_CURVE,
    grey_profile,
    in_space,
    power,
    press_profile,
    profile,
    rgb_profile,
)
from transforms.images.colour.conversion import conversion
from transforms.images.colour.space import SRGB, SRGB_TO_XYZ, by_codes
from transforms.images.decode import decode
from transforms.images.preprocess import load
from transforms.images.settings import Colour, Method, Preprocessing
from transforms.kernel import Kernel

assert pillow_jxl  # it teaches Pillow to write JPEG XL

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
    assert not np.array_equal(found.pixels, plain.pixels)


@pytest.mark.parametrize("kernel", ["auto", "python"])
@pytest.mark.parametrize("method", ["eval", "slim", "stretch-nearest"])
def test_the_whole_picture_might_as_well_be_converted(method: Method, kernel: Kernel) -> None:
    """Bit for bit. The result of `stretch` is mixed from all pixels, and is converted itself."""
    icc = PROFILES["ProPhoto"]
    by = conversion(icc, "managed").by
    assert by is not None
    noise = np.random.default_rng(3).integers(0, 256, (90, 130, 3)).astype(np.uint8)
    for encoding, orientation in (("PNG", 1), ("JPEG", 1), ("JPEG", 6), ("JPEG", 7), ("TIFF", 3)):
        exif = orientation_exif(orientation)
        data = encoded(noise, encoding, icc_profile=icc, exif=exif)
        whole = encoded(by.convert(decode(data).pixels), "PNG")
        for views in (1, 4) if method in ("eval", "slim") else (1,):
            how = Preprocessing(method=method, size=40, views=views)
            found = load(data, how, kernel=kernel)
            assert found.colour == "converted"
            assert np.array_equal(found.pixels, load(whole, how).pixels)


SMOOTH, TILED = waves(96, 128), waves(100, 120)
IN_P3 = in_space(SMOOTH, P3)


def _avif(**options: Any) -> bytes:
    return encoded(IN_P3, "AVIF", quality=95, subsampling="4:4:4", **options)


def _avif_with_codes() -> bytes:
    data = _avif()
    at = data.index(b"nclx") + 4
    return data[:at] + struct.pack(">HH", 12, 13) + data[at + 4 :]


def _jpeg_2000() -> bytes:
    """With a profile in place of the name of sRGB, the last 15 bytes of the box jp2h."""
    data = encoded(IN_P3, "JPEG2000")
    start, end = data.index(b"jp2h") - 4, data.index(b"colr") + 11
    colours = struct.pack(">I", 11 + len(P3)) + b"colr\2\0\0" + P3
    header = data[start + 4 : end - 15] + colours
    return data[:start] + struct.pack(">I", 4 + len(header)) + header + data[end:]


def _jpeg_within_jpeg_xl(folder: Path) -> bytes:
    path, file = folder / "a.jpg", io.BytesIO()
    path.write_bytes(encoded(IN_P3, "JPEG", quality=97, subsampling=0, icc_profile=P3))
    Image.open(path).save(file, "JXL", lossless_jpeg=True)
    return file.getvalue()


def test_formats_of_helper_processes_are_converted_as_well(tmp_path: Path) -> None:
    """The same colours as in a PNG of sRGB, but for what the encoders lose."""
    files = {
        "HEIF, profile": sample("display-p3.heic"),
        "HEIF, codes": sample("display-p3-codes.heic"),
        "HEIF, profile of the tiles": sample("display-p3-tiles.heic"),
        "AVIF, profile": _avif(icc_profile=P3),
        "AVIF, codes": _avif_with_codes(),
        "JPEG 2000": _jpeg_2000(),
        "JPEG XL": sample("display-p3.jxl"),
        "JPEG XL, in linear light": sample("adobe-rgb.jxl"),
        "JPEG XL, a JPEG": _jpeg_within_jpeg_xl(tmp_path),
    }
    for name, data in files.items():
        plain = load(encoded(TILED if "tiles" in name else SMOOTH, "PNG")).pixels
        managed, ignored = load(data), load(data, colour="ignore")
        assert (managed.colour, ignored.colour) == ("converted", "ignored"), name
        assert difference(managed.pixels, plain) < 2, name
        assert difference(ignored.pixels, plain) > 7, name


@pytest.mark.parametrize("encoding", ["AVIF", "JPEG2000", "JXL"])
def test_in_these_formats_srgb_has_a_name(encoding: str) -> None:
    data = encoded(SMOOTH, encoding)
    managed, ignored = load(data), load(data, colour="ignore")
    assert (managed.colour, ignored.colour) == ("srgb", "ignored")
    assert np.array_equal(managed.pixels, ignored.pixels)


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
    by = conversion(press, "managed").by
    assert by is not None
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
        whole = encoded(by.convert(decode(file, as_cmyk=True).pixels), "PNG")
        assert np.array_equal(found.pixels, load(whole, views=views).pixels)
        stretched = load(file, method="stretch", size=20).pixels
        assert (
            np.abs(stretched.astype(int) - load(whole, method="stretch", size=20).pixels).max() < 9
        )


@pytest.fixture(scope="module")
def press() -> bytes:
    """A profile with tables in four dimensions: the inks of a printer that only multiplies."""
    return press_profile()


def test_after_many_profiles_the_first_is_read_again() -> None:
    for gamma in range(40):
        icc = rgb_profile(SRGB_TO_XYZ, power(1 + gamma / 20))
        assert conversion(icc, "managed").done in ("converted", "srgb")
    assert conversion(P3, "managed") is conversion(P3, "managed")
