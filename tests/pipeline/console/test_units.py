from __future__ import annotations

import pytest

from pipeline.console.units import byte_size, pictures


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (0, "0.0 kB"),
        (1_500, "1.5 kB"),
        (999_900, "999.9 kB"),
        (1_500_000, "1.5 MB"),
        (1_000_000_000, "1.0 GB"),
        (1_234_500_000_000, "1,234.5 GB"),
    ],
)
def test_bytes_are_said_in_the_unit_that_leaves_the_fewest_digits(
    count: int, expected: str
) -> None:
    assert byte_size(count) == expected


def test_one_picture_is_no_pictures() -> None:
    assert [pictures(count) for count in (0, 1, 1_234)] == [
        "0 pictures",
        "1 picture",
        "1,234 pictures",
    ]
