"""Label maps: what a table means, what is wrong with one, and what comes of scores."""

from __future__ import annotations

import numpy as np
import pytest

from transforms.network.label_map import LabelMap, Mapped


def test_scores_are_summed_and_the_best_label_given() -> None:
    #                        class:  0   1  2   3  4
    label_map = LabelMap(("b", "a"), (1, 0, 1, -1, 0), threshold=0.5)
    scores = np.array(
        [
            [0.3, 0.2, 0.25, 0.25, 0.0],  # a 0.55, b 0.2
            [0.1, 0.3, 0.0, 0.3, 0.3],  # b 0.6
            [0.1, 0.1, 0.1, 0.6, 0.1],  # the class without a label does not count
            [0.25, 0.25, 0.25, 0.0, 0.25],  # equal: the first in the table
        ],
        np.float32,
    )
    labels, sums = zip(*label_map.apply(scores), strict=True)
    assert labels == ("a", "b", None, "b")
    assert sums == pytest.approx([0.55, 0.6, 0.2, 0.5])
    assert isinstance(label_map.apply(scores)[0], Mapped)
