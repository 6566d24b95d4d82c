from __future__ import annotations

import pytest

from pipeline.run.costs.requests import Stored, place, reading, writing

_MILLIONS = Stored(pictures=40e6, bytes=4.4e12, inputs=1, pages=40_100, spans=256)


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("/photos/a.jpg", "local"),
        ("gs://bkt/a.jpg", "gs"),
        ("s3://bkt/a.jpg", "s3"),
        ("HTTPS://host/a.jpg", "http"),
        ("hdfs://host/a.jpg", "hdfs"),
    ],
)
def test_places(uri: str, expected: str) -> None:
    assert place(uri) == expected


def test_a_picture_is_one_request() -> None:
    found = reading(_MILLIONS)
    assert found.class_a == pytest.approx(40_100, rel=0.001)
    assert found.class_b == pytest.approx(40e6, rel=0.001)


def test_an_archive_is_read_in_parts_of_8_mib() -> None:
    size = 1 << 30
    archives = Stored(archives=100, bytes=100 * size, archive_bytes=100 * size)
    assert reading(archives).class_b == pytest.approx(100 * (1 + 128), rel=0.01)


def test_what_is_scaled_and_added() -> None:
    half = Stored(pictures=5, bytes=50, pages=2, spans=3, inputs=1, unsized=1)
    assert half.scaled(2) == Stored(pictures=10, bytes=100, pages=4, spans=3, inputs=1, unsized=2)
    assert half.plus(half) == Stored(pictures=10, bytes=100, pages=4, spans=6, inputs=2, unsized=2)


def test_rows_take_few_requests() -> None:
    found = writing(40e6, row_bytes=400, worker_hours=25)
    # 4,000 pieces, 400 shards, 9,000 copies of pieces in the making.
    assert 13_000 < found.class_a < 15_000
    assert 10_000 < found.class_b < 20_000
