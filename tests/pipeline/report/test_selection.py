"""Which rows of a page have a picture."""

from __future__ import annotations

import numpy as np

from pipeline.report.selection import select


def _select(most: int) -> list[int]:
    """Of 100 rows: class 0 has 90; scores rise; the last ten rows are wrong; 20 and 30 are one."""
    return select(
        classes=np.where(np.arange(100) < 90, 0, np.arange(100) % 2 + 1),
        scores=np.arange(100) / 100,
        groups=[[20, 30]],
        wrong=np.arange(100) >= 90,
        copies=np.zeros(100, np.bool_),
        most=most,
    )


def test_all_rows_have_one_where_there_is_room() -> None:
    assert _select(100) == list(range(100))
    assert _select(0) == []


def test_mistakes_uncertain_ones_and_groups_come_before_classes_in_turn() -> None:
    chosen = _select(40)
    assert len(set(chosen)) == 40
    assert chosen[:10] == [99, 98, 97, 96, 95, 94, 93, 92, 91, 90]  # surest mistake first
    assert chosen[10:20] == list(range(10))  # least certain first
    assert chosen[20:22] == [20, 30]


def test_every_class_has_some() -> None:
    classes = np.repeat([0, 1, 2, 3], [700, 200, 60, 40])
    chosen = select(
        classes=classes,
        scores=np.ones(1000),
        groups=[],
        wrong=np.zeros(1000, np.bool_),
        copies=np.arange(1000) % 2 == 1,
        most=100,
    )
    # A quarter is of the lowest scores, which are all the same here; the rest is shared.
    assert sorted(np.bincount(classes[chosen[25:]]).tolist()) == [18, 19, 19, 19]
    assert {at % 2 for at in chosen[25:]} == {0}  # of a picture one is enough
