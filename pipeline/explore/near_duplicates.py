"""Groups of identical and near-identical pictures of a finished run.

Identical files are told by their hash. Near-identical pictures are told by the cosine of their
feature vectors: each picture is linked to its nearest neighbours above a threshold, and what is
linked, directly or through others, is divided into groups of which every pair is above it. The
neighbours come from an inverted-file index (FAISS): memory is one half-precision vector a picture
and the vectors of those that are linked, time grows with the number of pictures and not with its
square.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.explore.options import DuplicatesOptions
from pipeline.explore.vectors import Vectors, unit_vectors
from transforms.errors import UserError

COLUMNS = ("sha256", "embedding")

# Links of a picture at most. A thousand copies of one picture need not all be linked pairwise.
_NEIGHBOURS = 16

# Pictures up to which every pair is compared: that takes seconds, and an index misses a few.
_EXACT = 20_000

# Cells of the index that are searched for each picture.
_PROBES = 16

# Vectors a cell that the index is trained on; FAISS warns below 39.
_TRAINING_PER_CELL = 64

Tables = Callable[[], Iterable[pa.Table]]
"""Reads the predictions of a run from the beginning, with `COLUMNS`, in the same order each time.
"""


class Groups(NamedTuple):
    """Which pictures are alike, by their position among the predictions of the run.

    Attributes:
        group: int32[n], the same number for pictures that are alike, -1 for a picture that is like
            no other. Numbers run from 0 in order of the first picture of each group.
        identical: bool[n], another picture has the same bytes.
        similarity: float32[n], cosine to the most similar other picture; 1 for an identical one,
            0 where none reaches the threshold.
        least: float32[n], the smallest cosine of two pictures of the group; 0 without one.
    """

    group: npt.NDArray[np.int32]
    identical: npt.NDArray[np.bool_]
    similarity: npt.NDArray[np.float32]
    least: npt.NDArray[np.float32]


def find_groups(
    tables: Tables,
    *,
    count: int,
    threshold: float = DuplicatesOptions.threshold,
    apart: npt.NDArray[np.bool_] | None = None,
) -> Groups:
    """Groups the pictures of a run. Reads its vectors a few times, some thousand at a time.

    Args:
        tables: the predictions.
        count: how many there are.
        threshold: cosine, 0 to 1.
        apart: bool[n], pictures that are like another only if their bytes are the same; None for
            none.

    Raises:
        UserError: there are other than `count` predictions.
    """
    first_of = _first_with_same_bytes(tables, count)
    distinct = np.flatnonzero(first_of == np.arange(count))
    links = _Links(count, threshold)
    compared = distinct if apart is None else distinct[~apart[distinct]]
    if len(compared) > 1:
        _link_similar(tables, compared, links)
    group, least = _divided(tables, links.components(), threshold)
    links.add_identical(first_of)
    group, least = _with_copies(group, least, first_of)
    return Groups(_numbered(group), links.identical, links.similarity_in(group), least)


def _divided(
    tables: Tables, component: npt.NDArray[np.int64], threshold: float
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Groups of which every pair is alike, and the smallest cosine in each.

    Args:
        tables: the predictions.
        component: int64[n], a number for what is linked, -1 for what is not.
        threshold: cosine.

    Returns:
        int64[n], a number a group, -1 for none; float32[n].
    """
    group = np.full(len(component), -1, np.int64)
    least = np.zeros(len(component), np.float32)
    linked = np.flatnonzero(component >= 0)
    if not len(linked):
        return group, least
    vectors = np.concatenate([found for _, found in _distinct_vectors(tables, linked)])
    order = np.argsort(component[linked], kind="stable")
    edges = np.flatnonzero(np.diff(component[linked][order])) + 1
    number = 0
    for members in np.split(order, edges):
        for close, smallest in _every_pair_close(vectors[members], threshold):
            group[linked[members[close]]] = number
            least[linked[members[close]]] = smallest
            number += 1
    return group, least


def _every_pair_close(
    vectors: Vectors, threshold: float
) -> Iterator[tuple[npt.NDArray[np.int64], float]]:
    """Positions of vectors that are close to each other, pair by pair, and the smallest cosine.

    Greedy: the first that is left, and one after another, nearest first, what is close to all that
    were taken.
    """
    left = np.arange(len(vectors))
    while len(left) > 1:
        taken, smallest = [0], 1.0
        to_all = vectors[left] @ vectors[left[0]]
        to_all[0] = -np.inf
        while (best := int(to_all.argmax())) and to_all[best] >= threshold:
            taken.append(best)
            smallest = min(smallest, float(to_all[best]))
            to_all = np.minimum(to_all, vectors[left] @ vectors[left[best]])
            to_all[taken] = -np.inf
        if len(taken) > 1:
            yield left[taken], smallest
        left = np.delete(left, taken)


def _with_copies(
    group: npt.NDArray[np.int64],
    least: npt.NDArray[np.float32],
    first_of: npt.NDArray[np.int64],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """The groups with all pictures of the same bytes, which are a group where they had none."""
    copies = np.flatnonzero(first_of != np.arange(len(first_of)))
    alone = np.unique(first_of[copies][group[first_of[copies]] < 0])
    group[alone] = group.max(initial=-1) + 1 + np.arange(len(alone))
    least[alone] = 1
    group[copies], least[copies] = group[first_of[copies]], least[first_of[copies]]
    return group, least


def _numbered(group: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
    """Numbers from 0 in order of the first picture of each group."""
    numbers = np.full(len(group), -1, np.int32)
    linked = np.flatnonzero(group >= 0)
    _, first, inverse = np.unique(group[linked], return_index=True, return_inverse=True)
    numbers[linked] = np.argsort(np.argsort(first))[inverse]
    return numbers


def _first_with_same_bytes(tables: Tables, count: int) -> npt.NDArray[np.int64]:
    """For each picture the position of the first one with the same sha256."""
    hashes = [
        np.array([bytes.fromhex(text) for text in table["sha256"].to_pylist()], "S32")
        for table in tables()
    ]
    known = np.concatenate([np.empty(0, "S32"), *hashes])
    if len(known) != count:
        raise UserError(
            f"the manifest counts {count} predictions, but the files hold {len(known)}. "
            "Check the folder with quantlabel verify."
        )
    _, first, inverse = np.unique(known, return_index=True, return_inverse=True)
    return np.asarray(first[inverse], np.int64)


def _link_similar(tables: Tables, distinct: npt.NDArray[np.int64], links: _Links) -> None:
    index = _index(tables, distinct)
    for positions, vectors in _distinct_vectors(tables, distinct):
        # One more, since a picture is its own nearest.
        similarities, found = index.search(vectors, min(_NEIGHBOURS + 1, len(distinct)))
        links.add(positions, similarities, np.where(found < 0, -1, distinct[found]))


def _index(tables: Tables, distinct: npt.NDArray[np.int64]) -> Any:
    """A FAISS index over the distinct pictures, in order."""
    import faiss

    size = next(unit_vectors(table).shape[1] for table in tables())
    index: Any
    if len(distinct) <= _EXACT:
        index = faiss.IndexFlatIP(size)
    else:
        cells = 2 ** round(math.log2(4 * math.sqrt(len(distinct))))  # FAISS's rule of thumb
        half = faiss.ScalarQuantizer.QT_fp16
        index = faiss.IndexIVFScalarQuantizer(
            faiss.IndexFlatIP(size), size, cells, half, faiss.METRIC_INNER_PRODUCT, False
        )
        index.nprobe = _PROBES
        index.train(_sample(tables, distinct, cells * _TRAINING_PER_CELL))
    for _, vectors in _distinct_vectors(tables, distinct):
        index.add(vectors)
    return index


def _sample(tables: Tables, distinct: npt.NDArray[np.int64], wanted: int) -> Vectors:
    # Spread over the run: pictures of one folder are alike.
    chosen = distinct[:: max(1, len(distinct) // wanted)][:wanted]
    return np.concatenate([vectors for _, vectors in _distinct_vectors(tables, chosen)])


def _distinct_vectors(
    tables: Tables, chosen: npt.NDArray[np.int64]
) -> Iterable[tuple[npt.NDArray[np.int64], Vectors]]:
    """Positions (sorted) among the chosen, and their vectors, a table at a time."""
    start = 0
    for table in tables():
        low, high = np.searchsorted(chosen, [start, start + table.num_rows])
        if low < high:
            yield chosen[low:high], unit_vectors(table)[chosen[low:high] - start]
        start += table.num_rows


class _Links:
    """Pairs of pictures that are alike, and how much."""

    def __init__(self, count: int, threshold: float) -> None:
        self._count = count
        self._threshold = threshold
        self._pairs: list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]] = []
        self._similarity = np.zeros(count, np.float32)
        self.identical = np.zeros(count, np.bool_)

    def add(
        self,
        positions: npt.NDArray[np.int64],
        similarities: npt.NDArray[np.float32],
        neighbours: npt.NDArray[np.int64],
    ) -> None:
        """Links each position to those of its neighbours that are similar enough.

        Args:
            positions: int64[n].
            similarities: float32[n, k], cosines.
            neighbours: int64[n, k], -1 for none; a picture may be its own neighbour.
        """
        own = positions[:, None]
        good = (similarities >= self._threshold) & (neighbours >= 0) & (neighbours != own)
        rows, columns = np.nonzero(good)
        self._pairs.append((positions[rows], neighbours[rows, columns]))
        # A pair that only one side lists among its nearest is a pair for both.
        for end in self._pairs[-1]:
            np.maximum.at(self._similarity, end, similarities[rows, columns].clip(max=1))

    def add_identical(self, first_of: npt.NDArray[np.int64]) -> None:
        """Notes each picture and the first one with the same bytes."""
        copies = np.flatnonzero(first_of != np.arange(self._count))
        for end in (copies, first_of[copies]):
            self.identical[end] = True
            self._similarity[end] = 1

    def similarity_in(self, group: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """Similarities of what is in a group, 0 of the others."""
        return np.where(group >= 0, self._similarity, np.float32(0))

    def components(self) -> npt.NDArray[np.int64]:
        """A number for what the links connect, int64[n], -1 for what has none."""
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        nothing = np.zeros(0, np.int64)
        sides = zip(*self._pairs, strict=True) if self._pairs else ([nothing], [nothing])
        ends = [np.concatenate(side) for side in sides]
        graph = coo_array(
            (np.ones(len(ends[0]), np.bool_), (ends[0], ends[1])), shape=(self._count, self._count)
        )
        # Numbered as scipy finds them; below they get the order of the run.
        _, component = connected_components(graph, directed=False)
        sizes = np.bincount(component, minlength=1)
        return np.where(sizes[component] > 1, component, -1).astype(np.int64)
