from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from pipeline.explore import near_duplicates
from pipeline.explore.near_duplicates import Groups, find_groups
from pipeline.explore.vectors import unit_vectors
from transforms.errors import UserError

Tables = Callable[[], Iterator[pa.Table]]


def _tables(vectors: npt.NDArray[np.float32], hashes: list[str], *, rows: int = 3) -> Tables:
    """The pictures in tables of a few rows, as a reader of several shards gives them."""

    def read() -> Iterator[pa.Table]:
        for start in range(0, len(vectors), rows):
            part = vectors[start : start + rows]
            array = pa.FixedSizeListArray.from_arrays(part.reshape(-1), vectors.shape[1])
            yield pa.table({"sha256": hashes[start : start + rows], "embedding": array})

    return read


def _hashes(*numbers: int) -> list[str]:
    return [f"{number:064x}" for number in numbers]


def _groups(vectors: list[list[float]], hashes: list[str], threshold: float = 0.95) -> Groups:
    array = np.array(vectors, np.float32)
    return find_groups(_tables(array, hashes), count=len(array), threshold=threshold)


def test_identical_bytes_and_similar_vectors_make_groups() -> None:
    found = _groups(
        [[0, 1, 0], [3, 4, 0], [0, 0, 5], [6, 8, 1], [0, 0, 5], [0, 2, 0.1], [1, 0, 0]],
        _hashes(1, 2, 3, 4, 3, 5, 6),
    )
    assert found.group.tolist() == [0, 1, 2, 1, 2, 0, -1]
    assert found.identical.tolist() == [False, False, True, False, True, False, False]
    np.testing.assert_allclose(
        found.similarity,
        [0.99875, 0.99504, 1, 0.99504, 1, 0.99875, 0],
        atol=1e-4,
    )


def test_every_pair_of_a_group_is_alike() -> None:
    angles = [0.0, 0.3, 0.6]  # cosines 0.955 from one to the next, 0.825 from first to last
    vectors = [[float(np.cos(angle)), float(np.sin(angle))] for angle in angles]
    found = _groups(vectors, _hashes(1, 2, 3))
    assert found.group.tolist() == [0, 0, -1]
    np.testing.assert_allclose(found.least, [0.9553, 0.9553, 0], atol=1e-4)
    np.testing.assert_allclose(found.similarity, [0.9553, 0.9553, 0], atol=1e-4)
    four = _groups([*vectors, vectors[2]], _hashes(1, 2, 3, 3))
    assert four.group.tolist() == [0, 0, 1, 1]
    assert four.least[2:].tolist() == [1, 1]
    assert _groups(vectors, _hashes(1, 2, 3), threshold=0.96).group.tolist() == [-1, -1, -1]


def test_what_is_kept_apart_is_like_its_copies_only() -> None:
    tables = _tables(np.ones((4, 2), np.float32), _hashes(1, 2, 2, 3))
    apart = np.array([False, True, True, False])
    assert find_groups(tables, count=4, apart=apart).group.tolist() == [0, 1, 1, 0]


def test_vectors_of_zeros_are_like_nothing() -> None:
    assert _groups([[0, 0], [0, 0], [1, 0]], _hashes(1, 2, 3)).group.tolist() == [-1, -1, -1]


def test_one_picture_and_many_copies_of_one() -> None:
    assert _groups([[1, 2]], _hashes(1)).group.tolist() == [-1]
    assert _groups([[1, 2]] * 100, _hashes(*[7] * 100)).group.tolist() == [0] * 100
    assert _groups([[1, 2]] * 100, _hashes(*range(100))).group.tolist() == [0] * 100


def test_the_index_finds_what_comparing_every_pair_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.RandomState(0)
    vectors = random.gamma(0.3, size=(3000, 32)).astype(np.float32)
    vectors[1::10] = vectors[::10] * (1 + 0.1 * random.standard_normal((300, 32)))
    tables = _tables(vectors, _hashes(*range(3000)), rows=1000)
    exact = find_groups(tables, count=3000)
    monkeypatch.setattr(near_duplicates, "_EXACT", 100)
    indexed = find_groups(tables, count=3000)
    pairs = exact.group[::10] == exact.group[1::10]
    assert pairs.mean() > 0.97  # a few are divided, where one of them is like a third
    assert (exact.group[::10] >= 0).mean() > 0.97
    agree = (exact.group >= 0) == (indexed.group >= 0)
    assert agree.mean() > 0.999


def test_a_folder_with_other_rows_than_its_manifest_counts_is_refused() -> None:
    vectors = np.eye(3, dtype=np.float32)
    with pytest.raises(UserError, match="counts 4 predictions, but the files hold 3"):
        find_groups(_tables(vectors, _hashes(1, 2, 3)), count=4)


def test_unit_vectors_of_a_slice() -> None:
    tables = _tables(np.array([[3, 4], [0, 2], [0, 0]], np.float32), _hashes(1, 2, 3))
    (table,) = tables()
    assert unit_vectors(table.slice(1)).tolist() == [[0, 1], [0, 0]]
    assert unit_vectors(table.slice(3)).shape == (0, 2)
