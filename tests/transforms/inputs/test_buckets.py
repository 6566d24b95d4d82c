"""Units of work: the same everywhere."""

from __future__ import annotations

from collections import Counter

from transforms.inputs.buckets import BUCKETS, bucket_of


def test_buckets_are_the_same_everywhere_and_evenly_filled() -> None:
    assert bucket_of("/data/a.jpg") == 2118
    few = {bucket_of(f"/data/{number:08d}.jpg") for number in range(BUCKETS)}
    assert len(few) > 0.6 * BUCKETS  # 1 - 1/e = 0.632 of the buckets, if names fell at random
    counts = Counter(bucket_of(f"/data/{number}.jpg") for number in range(100 * BUCKETS))
    assert len(counts) == BUCKETS
    assert max(counts.values()) < 200
