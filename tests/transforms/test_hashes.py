from __future__ import annotations

import numpy as np

from transforms.hashes import hashes_of


def test_hashes_are_the_same_on_every_machine() -> None:
    found = hashes_of(["/a.jpg", "é", ""])
    assert found.dtype == np.uint64
    assert [f"{each:016x}" for each in found.tolist()] == [
        "0a0bf1ddabf542e0",
        "2f19f3ef8bbf1acb",
        "b4b2797457a0a6e4",
    ]
