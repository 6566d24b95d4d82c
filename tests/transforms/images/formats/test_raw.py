from __future__ import annotations

import numpy as np
import pytest

from tests.helpers.encoded import encoded, orientation_exif, waves
from tests.helpers.profiles import PROFILES
from tests.helpers.raws import (
    JPEG,
    RAW,
    SMALL,
    arw,
    cr2,
    cr3,
    directories,
    dng,
    orf,
    pef,
    raf,
    rw2,
)
from tests.helpers.tiffs import Picture, pictures, tiff
from transforms.failures import ImageError, Reason
from transforms.images.decode import decode
from transforms.images.formats.raw import jpeg_of
from transforms.images.preprocess import load

PHOTO = waves(120, 180)
SHOWN = decode(JPEG).pixels


@pytest.mark.parametrize("name", RAW)
def test_the_jpeg_of_the_whole_picture_is_labelled(name: str) -> None:
    found = decode(RAW[name])
    assert found.format == "RAW"
    assert np.array_equal(found.pixels, SHOWN)
    loaded = load(RAW[name], size=32)
    assert (loaded.format, loaded.width, loaded.height) == ("RAW", found.width, found.height)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (dng(SMALL), "the JPEG in it has 90 x 60 pixels, the picture 186 x 124"),
        (dng(JPEG, size=(201, 120)), "the JPEG in it has 180 x 120 pixels, the picture 201 x 120"),
        (dng(JPEG, size=(180, 134)), "the picture 180 x 134"),
        (dng(b"no JPEG"), "the first picture is a preview of another one"),
        (raf(b"no JPEG"), "without a JPEG of the picture"),
        (cr2(JPEG, size=(204, 122)), "the picture 204 x 122"),
        (rw2(SMALL), "the picture 184 x 120"),
        (raf(SMALL), "the picture 184 x 122"),
        (cr3(SMALL), "the JPEG in it has 90 x 60 pixels"),
        (arw(SMALL), "the JPEG in it has 90 x 60 pixels, the picture 186 x 124"),
        (pef(SMALL), "the JPEG in it has 90 x 60 pixels, the picture 186 x 124"),
        (orf(SMALL), "the JPEG in it has 90 x 60 pixels, the picture 186 x 124"),
        (orf(JPEG, size=(208, 139)), "180 x 120 pixels, the picture 208 x 139"),
        (orf(b"no JPEG"), "without a JPEG of the picture"),
        (b"IIRO" + bytes(100), "without a JPEG of the picture"),
        (tiff(pictures()["rgb8"], tags={262: [32803]}), "what a sensor has measured, without"),
    ],
)
def test_nothing_is_labelled_from_a_preview(data: bytes, message: str) -> None:
    with pytest.raises(ImageError, match=message) as raised:
        decode(data)
    assert raised.value.reason is Reason.UNSUPPORTED


def test_a_preview_in_front_need_not_be_marked_as_one() -> None:
    """What the sensor has measured may stand behind a directory that looks like any TIFF's."""
    small = {256: [16], 257: [12], 258: [8], 259: [1], 262: [1], 273: bytes(192), 279: [192]}
    sensor = {256: [186], 257: [124], 259: [7], 262: [32803]}
    with pytest.raises(ImageError, match="without a JPEG of the picture"):
        decode(directories([small, sensor], children=1))
    whole = {513: JPEG, 514: [len(JPEG)]}
    assert decode(directories([small, sensor, whole], children=2)).width == 180


def test_nine_tenths_of_each_side_are_enough() -> None:
    assert decode(dng(JPEG, size=(200, 133))).width == 180


def test_the_raw_file_says_which_way_up_unless_its_jpeg_does() -> None:
    assert np.array_equal(decode(dng(JPEG, orientation=6)).pixels, np.rot90(SHOWN, -1))
    turned = encoded(PHOTO, "JPEG", quality=95, exif=orientation_exif(3))
    assert np.array_equal(decode(dng(turned, orientation=6)).pixels, SHOWN[::-1, ::-1])
    turned_by_camera = cr2(JPEG, orientation=8), cr3(JPEG, orientation=8), orf(JPEG, orientation=8)
    for data in turned_by_camera:
        assert np.array_equal(decode(data).pixels, np.rot90(SHOWN, 1))
    for kernel in ("auto", "python"):
        assert load(dng(JPEG, orientation=8), kernel=kernel).width == 120


def test_the_profile_of_the_jpeg_counts() -> None:
    data = dng(encoded(PHOTO, "JPEG", icc_profile=PROFILES["Display P3"]))
    assert load(data).colour == "converted"


def test_other_files_are_none_of_these() -> None:
    plain = Picture(PHOTO, 8, 2, PHOTO)
    for data in (b"", JPEG, encoded(PHOTO, "PNG"), tiff(plain), tiff(plain, big=True, order=">")):
        assert jpeg_of(data) is None


def test_directories_that_lead_in_circles_and_damage_have_an_end() -> None:
    data = bytearray(dng(JPEG))
    data[-8:-4] = data[4:8]  # the first directory is its own child
    assert jpeg_of(bytes(data)) == JPEG
    reasons = set()
    for data in map(bytearray, RAW.values()):
        for at in range(0, min(len(data), 400), 3):
            for value in (0, 255):
                changed = bytes(data[:at] + bytes([value]) + data[at + 1 :])
                for some in (changed, changed[: len(data) - 5 * at]):
                    try:
                        jpeg_of(some)
                    except ImageError as error:
                        reasons.add(error.reason)
    assert reasons == {Reason.UNSUPPORTED}
