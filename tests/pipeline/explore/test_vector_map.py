"""The map, held against scikit-learn's measure of one."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.explore.neighbours import nearest
from pipeline.explore.vector_map import NEIGHBOURS, vector_map
from pipeline.explore.vectors import Vectors

pytest.importorskip("openTSNE")  # which has no wheels for Linux on ARM


def _groups(count: int, *, each: int) -> Vectors:
    """Vectors around so many directions."""
    random = np.random.RandomState(0)
    centres = random.normal(size=(count, 64))
    vectors = np.repeat(centres, each, axis=0) + 0.4 * random.normal(size=(count * each, 64))
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def test_what_is_near_in_the_vectors_is_near_on_the_map() -> None:
    vectors = _groups(6, each=40)
    points = vector_map(vectors, nearest(vectors, k=NEIGHBOURS))
    assert points.shape == (240, 2)
    from sklearn.manifold import trustworthiness

    assert trustworthiness(vectors, points, n_neighbors=15, metric="cosine") > 0.9
    of_each = points.reshape(6, 40, 2)
    centres = of_each.mean(axis=1)
    far = np.linalg.norm(centres[:, None] - centres, axis=2) + 1e9 * np.eye(6)
    assert np.linalg.norm(of_each - centres[:, None], axis=2).mean() < 0.5 * far.min()


@pytest.mark.parametrize("count", [0, 1, 2, 7, 8, 9, 20])
@pytest.mark.parametrize("size", [1, 2, 5])
def test_a_few_vectors_have_places_too(count: int, size: int) -> None:
    vectors = np.random.RandomState(1).normal(size=(count, size)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    points = vector_map(vectors, nearest(vectors, k=NEIGHBOURS))
    assert points.shape == (count, 2)
    assert np.isfinite(points).all()


def test_vectors_that_are_all_the_same_have_places_too() -> None:
    vectors = np.tile(np.array([[0.6, 0.8]], np.float32), (60, 1))
    points = vector_map(vectors, nearest(vectors, k=NEIGHBOURS))
    assert np.isfinite(points).all()
