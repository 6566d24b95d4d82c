"""What must be true of every row."""

from __future__ import annotations

import numpy as np

from pipeline.verify.rows import Repeats


def test_repeats_are_found_among_many() -> None:
    uris = [f"/photos/{number}" for number in range(100_000)]
    repeats = Repeats()
    repeats.add(uris)
    repeats.add(["/photos/7", "/else"])
    suspects = repeats.suspects()
    assert suspects.dtype == np.uint64
    assert list(repeats.among(uris, suspects)) == ["/photos/7"]
    assert repeats.rows == 100_002
