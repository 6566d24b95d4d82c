"""What pairs of truth and prediction say: figures a class, and the most frequent mistakes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Pairs = npt.NDArray[np.int64]
"""int64[n, n]: rows by their truth (first axis) and what was predicted (second)."""


class ClassFigures(NamedTuple):
    """Of one class. A share is None where nothing could be counted."""

    truth: int
    predicted: int
    hits: int
    precision: float | None
    recall: float | None


def class_figures(pairs: Pairs, *, missed: npt.NDArray[np.int64] | int = 0) -> list[ClassFigures]:
    """Figures of every class, in order.

    Args:
        pairs: as `Pairs`.
        missed: int64[n], rows of each truth that got no prediction.
    """
    true, predicted, hits = pairs.sum(1) + missed, pairs.sum(0), pairs.diagonal()
    return [
        ClassFigures(
            int(t), int(p), int(h), float(h / p) if p else None, float(h / t) if t else None
        )
        for t, p, h in zip(true, predicted, hits, strict=True)
    ]


def confused(pairs: Pairs, names: Sequence[Any], *, most: int) -> Iterator[dict[str, Any]]:
    """The most frequent mistakes, equally frequent ones in order of the classes."""
    wrong = pairs - np.diag(pairs.diagonal())
    # Stable: equally frequent mistakes stay in the order of the classes.
    order = np.argsort(-wrong, axis=None, kind="stable")[:most]
    for true, said in zip(*np.unravel_index(order, wrong.shape), strict=True):
        if wrong[true, said]:
            yield {"truth": names[true], "predicted": names[said], "rows": int(wrong[true, said])}
