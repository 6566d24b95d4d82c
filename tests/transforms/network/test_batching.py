from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from transforms.network.batching import PROVEN_PICTURES, first_difference


class _Sums:
    """A network that adds up its pictures; wrong in one place if told so."""

    def __init__(self, wrong: int | None = None) -> None:
        self.seen: list[bytes] = []
        self._wrong = wrong

    def run(
        self, pixels: Sequence[npt.NDArray[np.uint8]]
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        sums = np.array([[picture.sum()] for picture in pixels], np.float32)
        start = len(self.seen)
        self.seen += [picture.tobytes() for picture in pixels]
        features = sums.copy()
        if self._wrong is not None and start <= self._wrong < len(self.seen):
            features[self._wrong - start] += 1
        return sums, features


def test_at_least_256_different_pictures_are_compared() -> None:
    single, many = _Sums(), _Sums()
    assert first_difference(single, many, shape=(32, 20)) is None
    assert PROVEN_PICTURES == 256
    assert len(set(single.seen)) == 256
    assert single.seen == many.seen


def test_one_number_in_the_last_place_is_found() -> None:
    found = first_difference(_Sums(), _Sums(wrong=255), shape=(32, 32))
    assert found == "1 of 64 features differ in a batch of 64"
