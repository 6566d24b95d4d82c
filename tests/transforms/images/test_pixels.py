"""Memory that is used again for the next picture."""

from __future__ import annotations

import numpy as np
from PIL import Image

from tests.helpers.encoded import (
    encoded,
    waves,
)
from transforms.images.decode import decode
from transforms.images.pixels import Scratch


def test_a_picture_in_scratch_memory_is_the_same_and_lives_until_the_next() -> None:
    scratch = Scratch()
    small, large = encoded(waves(40, 64), "JPEG"), encoded(waves(80, 96), "JPEG")
    for data in (small, large, small):  # grown once, then partly used
        assert np.array_equal(decode(data, scratch=scratch).pixels, decode(data).pixels)
    first = decode(large, scratch=scratch).pixels
    second = decode(small, scratch=scratch).pixels
    assert np.shares_memory(first, second)


def test_very_large_pictures_leave_no_scratch_memory_behind() -> None:
    assert Scratch().of(64 * 1024 * 1024 + 1) is None


def test_cmyk_fits_its_four_channels_into_scratch_memory() -> None:
    data = encoded(Image.fromarray(waves(40, 64)).convert("CMYK"), "JPEG")
    assert np.array_equal(decode(data, scratch=Scratch()).pixels, decode(data).pixels)
