from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageCms

from tests.helpers.profiles import PROFILES, profile
from transforms.failures import ImageError
from transforms.images.colour.table import Table, grid, read_table


def test_between_the_points_of_the_grid_colours_are_mixed() -> None:
    """A grid that turns ink into its negative: C, M and Y away from white, K darkens all."""
    steps = np.linspace(0, 1, 18)
    cyan, magenta, yellow, black = np.meshgrid(*[steps] * 4, indexing="ij")
    rgb = np.stack([1 - cyan, 1 - magenta, 1 - yellow], axis=-1) * (1 - black[..., None])
    table = Table(np.rint(255 * rgb).astype(np.uint8), is_srgb=False)
    assert (table.channels, table.grey) == (4, False)
    inks = np.array(
        [[[0, 0, 0, 0], [255, 0, 128, 0]], [[0, 0, 0, 255], [7, 100, 200, 51]]], np.uint8
    )
    expected = [[[255, 255, 255], [0, 255, 127]], [[0, 0, 0], [199, 124, 44]]]
    assert table.convert(inks).tolist() == expected


def test_grey_and_colour() -> None:
    curve = np.arange(255, -1, -1, dtype=np.uint8)
    table = Table(np.stack([curve] * 3, axis=1), is_srgb=False)
    assert (table.channels, table.grey) == (1, True)
    assert table.convert(np.array([[3, 3, 3], [255, 255, 255]], np.uint8)).tolist() == [
        [252, 252, 252],
        [0, 0, 0],
    ]
    steps = np.linspace(0, 255, 52).round().astype(np.uint8)
    swapped = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1)[..., ::-1]
    colours = np.random.default_rng(1).integers(0, 256, (9, 3)).astype(np.uint8)
    assert np.array_equal(Table(swapped, is_srgb=False).convert(colours), colours[:, ::-1])


def test_the_grid_is_that_of_littlecms_and_made_in_another_process() -> None:
    """By a profile of a matrix, which needs no table, but LittleCMS takes it as well."""
    icc = PROFILES["Adobe RGB"]
    table = read_table(icc, 3)
    assert not table.is_srgb
    colours = np.random.default_rng(7).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    expected = ImageCms.profileToProfile(
        Image.fromarray(colours),
        ImageCms.ImageCmsProfile(io.BytesIO(icc)),
        ImageCms.createProfile("sRGB"),
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
    )
    found = table.convert(colours).astype(int)
    assert np.abs(found - np.asarray(expected)).mean() < 0.5
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert read_table(srgb, 3).is_srgb
    assert np.array_equal(grid(icc, 3), table.colours.reshape(-1, 3))


@pytest.mark.parametrize("icc", [b"", bytes(500), profile({b"A2B0": bytes(40)}, colours=b"CMYK")])
def test_what_littlecms_cannot_read_is_refused(icc: bytes) -> None:
    with pytest.raises(ImageError, match="a colour profile that cannot be read"):
        read_table(icc, 4)
