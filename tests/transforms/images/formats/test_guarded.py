"""What holds for all formats whose decoders run in a helper process."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pillow_jxl
import pytest

from tests.helpers.encoded import encoded, sample, waves
from transforms.images.decode import decode
from transforms.images.formats.guarded import GUARDED

assert pillow_jxl  # it teaches Pillow to write JPEG XL

FILES = {
    "HEIF": sample("plain.heic"),
    "AVIF": encoded(waves(96, 128), "AVIF"),
    "JXL": encoded(waves(96, 128), "JXL"),
    "JPEG2000": encoded(waves(96, 128), "JPEG2000"),
}


def test_there_is_a_file_of_each() -> None:
    assert set(FILES) == set(GUARDED)


@pytest.mark.parametrize("kind", FILES)
def test_memory_is_asked_for_before_it_is_spent(kind: str) -> None:
    asked: list[int] = []
    picture = decode(FILES[kind], reserve=asked.append)
    assert picture.format == kind
    assert len(asked) == 2
    assert asked[1] - asked[0] > 96 * 128 * GUARDED[kind].a_pixel


def test_many_threads_get_the_pictures_that_they_ask_for() -> None:
    expected = {kind: decode(data).pixels.copy() for kind, data in FILES.items()}
    kinds = list(FILES) * 8
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda kind: decode(FILES[kind]), kinds))
    for kind, picture in zip(kinds, found, strict=True):
        assert picture.format == kind
        assert np.array_equal(picture.pixels, expected[kind])
