"""Score counts and temperatures, against figures worked out by hand or drawn with a known one."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from pipeline.evaluate.calibration import ScoreCounts, TemperatureFit
from transforms.network.ranking import softmax, top_classes


def _counts() -> ScoreCounts:
    counts = ScoreCounts()
    # Two batches, as rows come.
    counts.add(np.array([0.95, 0.91, 0.30]), np.array([True, False, True]))
    counts.add(np.array([0.3, 0.05]), np.array([False, False]))
    return counts


def test_reliability_is_counted_by_tenths() -> None:
    bins = _counts().reliability()
    assert [each["rows"] for each in bins] == [1, 0, 0, 2, 0, 0, 0, 0, 0, 2]
    assert bins[9] == pytest.approx(
        {"low": 0.9, "high": 1.0, "rows": 2, "score": 0.93, "accuracy": 0.5}
    )
    assert (bins[1]["score"], bins[1]["accuracy"]) == (None, None)


def test_the_error_is_the_mean_gap() -> None:
    # Gaps: 0.05 in the first tenth, 0.3 against 0.5, and 0.93 against 0.5.
    assert _counts().error() == pytest.approx((0.05 + 2 * 0.2 + 2 * 0.43) / 5)
    assert _counts().score() == pytest.approx(2.51 / 5)


def test_a_threshold_keeps_scores_from_it_on() -> None:
    kept = _counts().coverage(of=6)  # one of six could not be labelled
    assert len(kept) == 100
    assert kept[0] == {"threshold": 0.0, "rows": 5, "coverage": 5 / 6, "accuracy": 2 / 5}
    assert kept[30] == {"threshold": 0.3, "rows": 4, "coverage": 4 / 6, "accuracy": 2 / 4}
    assert kept[31]["rows"] == 2
    assert kept[96] == {"threshold": 0.96, "rows": 0, "coverage": 0.0, "accuracy": None}


def _rows(temperature: float) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Scores of 100 classes that are off by a temperature, best first, and where the truth is."""
    random = np.random.RandomState(0)
    logits = random.normal(scale=2.5, size=(4000, 100)).astype(np.float32)
    honest = softmax(logits / np.float32(temperature)).astype(np.float64)
    points = random.uniform(size=(len(logits), 1))
    true = (honest.cumsum(axis=1) < points).sum(axis=1).clip(max=99)
    best = top_classes(logits, k=100)
    rank = (best == true[:, None]).argmax(axis=1)
    return np.take_along_axis(softmax(logits), best, axis=1).astype(np.float64), rank


@pytest.mark.parametrize("temperature", [0.7, 1.0, 1.5])
def test_the_temperature_that_made_the_truth_is_found(temperature: float) -> None:
    scores, rank = _rows(temperature)
    fit = TemperatureFit(classes=100)
    fit.add(scores[:1000], rank[:1000])
    fit.add(scores[1000:], rank[1000:])
    best = fit.best()
    assert best is not None
    assert best.low < temperature < best.high
    assert best.high / best.low < 1.1
    hits = float((rank == 0).mean())
    assert abs(best.counts.score() - hits) < 0.02  # scores mean what they say


def test_a_network_that_is_always_right_has_no_temperature() -> None:
    fit = TemperatureFit(classes=1001)
    fit.add(np.array([[0.6, 0.2], [0.9, 0.05]]), np.array([0, 0]))
    assert fit.best() is None
