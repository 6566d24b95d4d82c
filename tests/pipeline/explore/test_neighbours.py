from __future__ import annotations

import numpy as np

from pipeline.explore.neighbours import nearest


def test_the_nearest_come_first_and_nobody_is_their_own() -> None:
    angles = np.array([0.0, 0.1, 0.3, 3.0])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    found = nearest(vectors, k=2)
    assert found.positions.tolist() == [[1, 2], [0, 2], [1, 0], [2, 1]]
    np.testing.assert_allclose(found.cosines[0], [np.cos(0.1), np.cos(0.3)], atol=1e-6)


def test_equal_vectors_are_neighbours_of_each_other() -> None:
    found = nearest(np.tile(np.array([[0.6, 0.8]], np.float32), (30, 1)), k=5)
    own = np.arange(30)[:, None]
    assert not (found.positions == own).any()
    assert [len(set(row)) for row in found.positions.tolist()] == [5] * 30
    assert (found.cosines <= 1).all()


def test_there_are_no_more_neighbours_than_others() -> None:
    vectors = np.eye(3, dtype=np.float32)
    assert nearest(vectors, k=5).positions.shape == (3, 2)
    assert nearest(vectors[:1], k=5).positions.shape == (1, 0)
