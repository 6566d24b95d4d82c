"""What holds for all formats whose decoders run in a helper process."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pillow_jxl
import pytest

from tests.helpers import format_fuzz
from tests.helpers import guarded_work as work
from tests.helpers.encoded import encoded, sample, waves
from tests.helpers.fuzz import damaged
from transforms.images.decode import decode
from transforms.images.formats.guarded import GUARDED
from transforms.images.guarded.guard import Limits, call

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


def _large(kind: str) -> bytes:
    """With transparency, which takes most."""
    if kind == "HEIF":
        return sample("large.heic")
    alpha = np.dstack([waves(1000, 1000), np.full((1000, 1000), 128, np.uint8)])
    options = {"AVIF": {"speed": 10}, "JXL": {"effort": 1}}.get(kind, {})
    return encoded(alpha, kind, **options)


@pytest.mark.skipif(sys.platform != "linux", reason="Linux tells the peak of a process")
@pytest.mark.parametrize("kind", FILES)
def test_no_more_memory_is_taken_than_was_asked_for(kind: str) -> None:
    pixels, a_pixel = GUARDED[kind].pixels, GUARDED[kind].a_pixel
    limits = Limits(memory=1_000_000_000, seconds=60)
    side = 2000 if kind == "HEIF" else 1000
    (taken,) = call(work.peak, pixels, FILES[kind], _large(kind), limits=limits)
    # Less where a busy machine lets fewer threads of a decoder work at the same time.
    assert 0.4 < taken / (side * side * a_pixel) < 1


def test_damaged_files_are_pictures_or_have_a_reason() -> None:
    """More of them with `make fuzz-formats`."""
    files = format_fuzz.corpus()
    said = {format_fuzz.guarded(damaged(files, seed=3, number=number)) for number in range(1_000)}
    assert said >= {f"picture {kind}" for kind in FILES}
    assert said >= {"corrupt", "truncated", "unsupported"}


def test_many_threads_get_the_pictures_that_they_ask_for() -> None:
    expected = {kind: decode(data).pixels.copy() for kind, data in FILES.items()}
    kinds = list(FILES) * 8
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda kind: decode(FILES[kind]), kinds))
    for kind, picture in zip(kinds, found, strict=True):
        assert picture.format == kind
        assert np.array_equal(picture.pixels, expected[kind])
