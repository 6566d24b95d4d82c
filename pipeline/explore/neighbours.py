"""The pictures of a run that look most like each of its pictures, exactly."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.explore.vectors import Vectors


class Neighbours(NamedTuple):
    """For each vector the nearest others, nearest first.

    Attributes:
        positions: int64[n, k].
        cosines: float32[n, k], at most 1.
    """

    positions: npt.NDArray[np.int64]
    cosines: npt.NDArray[np.float32]


def nearest(vectors: Vectors, *, k: int) -> Neighbours:
    """Compares every vector with every other: 100,000 of them are still few enough for that.

    Args:
        vectors: of `unit_vectors`.
        k: neighbours of each, fewer if there are not so many others.
    """
    import faiss

    k = max(0, min(k, len(vectors) - 1))
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    # One more, since a vector is its own nearest; among equal ones it need not come first, or up.
    cosines, found = index.search(vectors, k + 1)
    own = found == np.arange(len(vectors))[:, None]
    order = np.argsort(own, axis=1, kind="stable")[:, :k]
    return Neighbours(
        np.take_along_axis(found, order, 1), np.take_along_axis(cosines, order, 1).clip(max=1)
    )
