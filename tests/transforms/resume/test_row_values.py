from __future__ import annotations

import pytest
from PIL import Image

from tests.helpers.encoded import encoded, waves
from tests.helpers.profiles import PROFILES
from transforms.resume.row_values import Made, depends_on_profile, has_marks, is_outdated


@pytest.mark.parametrize(
    ("method", "size", "limit"),
    [
        ("eval", 128, 3512),
        ("slim", 128, 3512),
        ("stretch", 128, 3072),
        ("stretch-nearest", 128, 3072),
        ("eval", 160, 4390),
        ("eval", 192, 5268),
        ("eval", 224, 6144),
    ],
)
def test_jpegs_that_version_0_1_0_reduced_are_outdated(method: str, size: int, limit: int) -> None:
    """The limits are twice what `min_side` of commit f2e6310 gives."""
    made = Made(1, method, size)
    for side, expected in ((limit, True), (limit - 1, False)):
        for width, height in ((side, 9000), (9000, side), (side, side)):
            row = {"format": "JPEG", "width": width, "height": height}
            assert is_outdated(row, made) is expected, row
            assert not is_outdated({**row, "format": "PNG"}, made)
            assert not is_outdated(row, made._replace(row_values=2))


def test_formats_that_0_1_0_read_otherwise() -> None:
    made = Made(1, "eval", 128)
    small = {"width": 10, "height": 10}
    found = [
        name
        for name in ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP")
        if is_outdated({"format": name, **small}, made)
    ]
    assert found == ["GIF", "TIFF"]
    depends = [
        name
        for name in ("JPEG", "PNG", "WEBP", "BMP")
        if depends_on_profile({"format": name, **small}, made)
    ]
    assert depends == ["JPEG", "PNG", "WEBP"]
    assert not depends_on_profile({"format": "JPEG", **small}, made._replace(row_values=2))


@pytest.mark.parametrize("encoding", ["JPEG", "PNG", "WEBP"])
def test_files_with_a_profile_or_several_frames_have_marks(encoding: str) -> None:
    plain = waves(30, 30)
    assert not has_marks(encoded(plain, encoding))
    assert has_marks(encoded(plain, encoding, icc_profile=PROFILES["Display P3"]))
    if encoding != "JPEG":
        frames = [Image.fromarray(plain[::-1])]
        assert has_marks(encoded(plain, encoding, save_all=True, append_images=frames))
