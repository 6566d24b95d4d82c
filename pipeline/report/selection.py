"""Which rows of a page have a picture, where there is no room for all."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt


def select(
    *,
    classes: npt.NDArray[np.integer],
    scores: npt.NDArray[np.floating],
    groups: Sequence[Sequence[int]],
    wrong: npt.NDArray[np.bool_],
    copies: npt.NDArray[np.bool_],
    most: int,
) -> list[int]:
    """Chooses rows: all, or a quarter that is wrong, a quarter that is uncertain, and so on.

    Up to a fifth is there more than once; the rest is of every class in turn, at random in each.

    Args:
        classes: int[n], of each row.
        scores: float[n].
        groups: positions of rows that are the same picture.
        wrong: bool[n], whether another label is known to be the truth.
        copies: bool[n], whether a row before has the same bytes: one of them is enough.
        most: rows at most.

    Returns:
        Positions, the most wanted first.
    """
    count = len(classes)
    if count <= most:
        return list(range(count))
    by_score = np.argsort(scores, kind="stable")
    mistakes = by_score[::-1][wrong[by_score[::-1]]]  # the surest ones tell most
    chosen: dict[int, None] = {}
    _add(chosen, mistakes.tolist(), room=most // 4)
    _add(chosen, by_score.tolist(), room=most // 4)
    _add(chosen, itertools.chain.from_iterable(groups), room=most // 5)
    _add(chosen, _in_turn(classes, copies).tolist(), room=most - len(chosen))
    return list(chosen)


def _add(chosen: dict[int, None], positions: Iterable[int], *, room: int) -> None:
    """Takes as many as there is room for; a row that is there already counts once."""
    new = (position for position in positions if position not in chosen)
    chosen.update(dict.fromkeys(itertools.islice(dict.fromkeys(new), room)))


def _in_turn(
    classes: npt.NDArray[np.integer], copies: npt.NDArray[np.bool_]
) -> npt.NDArray[np.int64]:
    """One row of each class, then another of each, and so on; large classes before small ones.

    Copies come after all others.
    """
    shuffled = np.random.default_rng(0).permutation(len(classes))
    order = shuffled[np.lexsort((copies[shuffled], classes[shuffled]))]
    _, starts, sizes = np.unique(classes[order], return_index=True, return_counts=True)
    rank = np.arange(len(order)) - np.repeat(starts, sizes)
    return order[np.lexsort((-np.repeat(sizes, sizes), rank, copies[order]))]
