from __future__ import annotations

import pytest

from transforms.resume.row_values import Made, is_outdated


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
