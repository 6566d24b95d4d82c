from __future__ import annotations

import numpy as np
import pytest

from transforms.images.colour import space
from transforms.images.colour.space import SRGB, SRGB_TO_XYZ, by_codes, by_gamma, srgb_light

COLOURS = np.array(
    [[0, 0, 0], [255, 255, 255], [128, 128, 128], [255, 0, 0], [10, 200, 90]], np.uint8
)


def test_the_matrix_of_srgb_is_the_one_that_icc_publishes() -> None:
    published = [[0.4360, 0.3851, 0.1431], [0.2225, 0.7169, 0.0606], [0.0139, 0.0971, 0.7141]]
    assert np.abs(SRGB_TO_XYZ - published).max() < 2e-4


def test_srgb_is_left_as_it_is() -> None:
    every = np.stack(np.meshgrid(*[np.arange(0, 256, 5, dtype=np.uint8)] * 3), axis=-1).reshape(
        -1, 3
    )
    assert np.array_equal(SRGB.convert(every), every)
    assert SRGB.is_srgb


@pytest.mark.parametrize(
    ("primaries", "transfer", "expected"),
    [
        # The same as LittleCMS and Chromium have: green beyond sRGB is cut off.
        (12, 13, [[0, 0, 0], [255, 255, 255], [128, 128, 128], [255, 0, 0], [0, 204, 73]]),
        # Light itself: 128 / 255 of it is 0.5 and that is encoded as 188.
        (1, 8, [[0, 0, 0], [255, 255, 255], [188, 188, 188], [255, 0, 0], [56, 229, 160]]),
        # A power of 2.2: (128 / 255) ** 2.2 is 0.2195, encoded as 129.
        (1, 4, [[0, 0, 0], [255, 255, 255], [129, 129, 129], [255, 0, 0], [3, 201, 90]]),
        (9, 13, [[0, 0, 0], [255, 255, 255], [128, 128, 128], [255, 0, 0], [0, 211, 67]]),
    ],
)
def test_colours_of_other_spaces(primaries: int, transfer: int, expected: list[list[int]]) -> None:
    found = by_codes(primaries, transfer)
    assert found is not None
    assert found.convert(COLOURS).tolist() == expected
    assert not found.is_srgb


@pytest.mark.parametrize(
    ("transfer", "expected"),
    [
        # As Chromium 156 has it: white of 203 candela is half as bright, 1,000 candela are white.
        (16, {0: 0, 48: 15, 96: 70, 144: 175, 156: 206, 168: 226, 192: 255, 255: 255}),
        (18, {0: 0, 48: 29, 96: 71, 144: 115, 192: 189, 204: 207, 228: 232, 252: 253}),
    ],
)
def test_high_dynamic_range_is_made_fainter(transfer: int, expected: dict[int, int]) -> None:
    found = by_codes(9, transfer)
    assert found is not None
    grey = np.array(list(expected), np.uint8)[:, None].repeat(3, axis=1)
    shown = found.convert(grey).astype(int)
    assert np.abs(shown - np.array(list(expected.values()))[:, None]).max() <= 1


def test_codes_that_say_nothing() -> None:
    assert by_codes(2, 13) is None
    assert by_codes(1, 2) is None
    srgb = by_codes(1, 13)
    assert srgb is not None
    assert srgb.is_srgb


def test_gamma_alone_stands_for_srgb_if_it_is_about_that() -> None:
    assert by_gamma(0.45455) is SRGB
    assert by_gamma(0.44) is SRGB
    assert not by_gamma(0.55556).is_srgb
    of_srgb = (0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)
    assert not by_gamma(0.45455, of_srgb).is_srgb  # a power of 2.2 is another curve
    assert by_gamma(1.0).convert(COLOURS)[2].tolist() == [188, 188, 188]


@pytest.mark.parametrize(
    "numbers",
    [
        (0.3127, 0.329, 0.64, 0.33, 0.64, 0.33, 0.64, 0.33),
        (0.3127, 0.0, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06),
        (0.0,) * 8,
    ],
)
def test_primaries_that_span_nothing_are_refused(numbers: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="span no colours"):
        by_gamma(0.5, numbers)
    with pytest.raises(ValueError, match="a gamma of 0"):
        by_gamma(0)


def test_a_curve_of_grey_makes_all_three() -> None:
    found = space.grey(np.linspace(0, 1, 256))
    assert found.grey
    assert found.convert(np.full((2, 2, 3), 128, np.uint8)).tolist() == [[[188] * 3] * 2] * 2
    assert space.grey(srgb_light(np.linspace(0, 1, 256))).is_srgb


def test_numbers_that_are_none_are_refused() -> None:
    with pytest.raises(ValueError, match="no numbers"):
        space.space(np.full((3, 256), np.nan), SRGB_TO_XYZ)
