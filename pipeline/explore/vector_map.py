"""Vectors laid out on a plane, so that what is near in the vectors is near on it: t-SNE."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from pipeline.explore.neighbours import Neighbours
from pipeline.explore.vectors import Vectors
from transforms.images.machine import cores

NEIGHBOURS = 45
"""Of each vector that the layout looks at: three for each unit of perplexity, as van der Maaten's
`Accelerating t-SNE using Tree-Based Algorithms` (2014) has it."""

_PERPLEXITY = NEIGHBOURS / 3

_EXAGGERATION = 12
"""In the first steps, which pull groups together: the value of the same paper."""

_FIRST_STEPS, _STEPS = 150, 350

_FEWEST = 8
"""Vectors below which there is nothing to lay out but their main directions."""


_MANY = 5_000
"""Vectors from which on a second thread is worth its waiting, and a grid takes less time than a
tree to say how they push each other away."""


def vector_map(vectors: Vectors, neighbours: Neighbours) -> npt.NDArray[np.float32]:
    """Two coordinates of each vector, float32[n, 2], of any scale.

    Args:
        vectors: of `unit_vectors`; may be none.
        neighbours: of each, `NEIGHBOURS` or as many as there are others.
    """
    threads = cores() if len(vectors) > _MANY else 1
    with threadpool_limits(threads):
        start = _main_directions(vectors)
        if len(vectors) < _FEWEST:
            return start
        return _laid_out(start, neighbours, threads)


def _laid_out(
    start: npt.NDArray[np.float32], neighbours: Neighbours, threads: int
) -> npt.NDArray[np.float32]:
    from openTSNE import TSNEEmbedding
    from openTSNE.affinity import PerplexityBasedNN
    from openTSNE.nearest_neighbors import PrecomputedNeighbors

    # Of unit vectors the squared distance is 2 - 2 cosines.
    distances = np.sqrt((2 - 2 * neighbours.cosines).clip(min=0)).astype(np.float64)
    affinities = PerplexityBasedNN(
        perplexity=min(_PERPLEXITY, neighbours.positions.shape[1] / 3),
        knn_index=PrecomputedNeighbors(neighbours.positions, distances),
        n_jobs=threads,
    )
    # As small as openTSNE makes its own: larger ones keep what is apart at first apart for good.
    scale = 1e-4 / max(float(start[:, 0].std()), 1e-12)
    layout = TSNEEmbedding(
        start.astype(np.float64) * scale,
        affinities,
        negative_gradient_method="fft" if len(start) > _MANY else "bh",
        n_jobs=threads,
        random_state=0,
    )
    layout.optimize(_FIRST_STEPS, exaggeration=_EXAGGERATION, momentum=0.5, inplace=True)
    layout.optimize(_STEPS, momentum=0.8, inplace=True)
    return np.asarray(layout, np.float32)


def _main_directions(vectors: Vectors) -> npt.NDArray[np.float32]:
    """The first two principal components, by the covariance: it has few columns."""
    if not len(vectors):
        return np.zeros((0, 2), np.float32)
    centred = vectors - vectors.mean(axis=0)
    _, directions = np.linalg.eigh(centred.T @ centred)
    points = np.zeros((len(vectors), 2), np.float32)  # of vectors of one number the second is 0
    found = centred @ directions[:, :-3:-1]
    points[:, : found.shape[1]] = found
    return points
