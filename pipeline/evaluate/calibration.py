"""Do scores mean what they say: calibration, and the temperature that mends it."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

# Bins of scores: whole percents, so that thresholds can be read off exactly.
_FINE = 100

_EDGES = (np.arange(1, _FINE) / _FINE).astype(np.float32)

# Bins of the reliability curve and of the calibration error, all of the same width.
_BINS = 10


class ScoreCounts:
    """How often predictions of each score were right. Its size does not depend on their number."""

    def __init__(self) -> None:
        self._rows = np.zeros(_FINE)
        self._hits = np.zeros(_FINE)
        self._scores = np.zeros(_FINE)

    def add(self, scores: Floats, hits: npt.NDArray[np.bool_]) -> None:
        """Counts predictions: scores 0..1 [n], and whether they were right."""
        # As float32, what scores are: else 0.9 would be 0.89999998 and in the bin below.
        at = np.searchsorted(_EDGES, scores.astype(np.float32), side="right")
        self._rows += np.bincount(at, minlength=_FINE)
        self._hits += np.bincount(at, weights=hits, minlength=_FINE)
        self._scores += np.bincount(at, weights=scores, minlength=_FINE)

    def reliability(self) -> list[dict[str, Any]]:
        """For each tenth of the scores: rows, their mean score and how many are right, or None."""
        rows, hits, scores = (each.reshape(_BINS, -1).sum(1) for each in self._columns())
        return [
            {
                "low": at / _BINS,
                "high": (at + 1) / _BINS,
                "rows": int(rows[at]),
                "score": scores[at] / rows[at] if rows[at] else None,
                "accuracy": hits[at] / rows[at] if rows[at] else None,
            }
            for at in range(_BINS)
        ]

    def score(self) -> float:
        """Mean of all scores."""
        return float(self._scores.sum() / self._rows.sum())

    def error(self) -> float:
        """Expected calibration error (Naeini et al. 2015): mean gap of score and accuracy, 0..1."""
        rows, hits, scores = (each.reshape(_BINS, -1).sum(1) for each in self._columns())
        return float(np.abs(hits - scores).sum() / rows.sum())

    def coverage(self, *, of: int) -> list[dict[str, Any]]:
        """What remains, and how much of it is right, if lower scores than a threshold do not count.

        Args:
            of: rows that a coverage of 1 would be.

        Returns:
            An entry for each threshold 0, 0.01, ..., 0.99; accuracy is None where nothing remains.
        """
        rows, hits = (each[::-1].cumsum()[::-1] for each in (self._rows, self._hits))
        return [
            {
                "threshold": at / _FINE,
                "rows": int(rows[at]),
                "coverage": rows[at] / of,
                "accuracy": hits[at] / rows[at] if rows[at] else None,
            }
            for at in range(_FINE)
        ]

    def _columns(self) -> tuple[Floats, Floats, Floats]:
        return self._rows, self._hits, self._scores


@dataclasses.dataclass(frozen=True)
class Fit:
    """The temperature under which the truth is likeliest.

    Attributes:
        temperature: relative to the scores it was fitted on: 1 leaves them as they are.
        low: lower end of its 95 % confidence interval.
        high: upper end.
        counts: the scores that it makes of the same rows (at the nearest of the 65 temperatures).
    """

    temperature: float
    low: float
    high: float
    counts: ScoreCounts


# From 1/4 to 4, each 4 % above the one before: finer than a fit can tell.
_TEMPERATURES = 2.0 ** np.linspace(-2, 2, 65)
_STEP = math.log(_TEMPERATURES[1] / _TEMPERATURES[0])


class TemperatureFit:
    """Finds the temperature T of softmax(logits / T) from the scores of the k best classes.

    The logarithms of scores are the logits but for a constant: with all classes the fit is exact.
    Of the classes that a run did not store only the sum of their scores is known; they are taken to
    fall off geometrically from the last one stored, to that sum. On the 200 labelled photographs
    that moves T by 4 % with 5 classes and by 1 % with 20.

    The likelihood is summed up at 65 temperatures from 1/4 to 4, so memory does not grow with rows.

    Args:
        classes: how many there are.
    """

    def __init__(self, *, classes: int) -> None:
        self._classes = classes
        self._losses = np.zeros(len(_TEMPERATURES))
        self._counts = [ScoreCounts() for _ in _TEMPERATURES]

    def add(self, scores: Floats, rank: npt.NDArray[np.int64]) -> None:
        """Counts predictions.

        Args:
            scores: of the k best classes, [n, k], descending.
            rank: where the true class is among them, 0..k-1, or k if it is not there, [n].
        """
        logs, tail = _log_scores(scores, whole=scores.shape[1] == self._classes)
        for at, temperature in enumerate(_TEMPERATURES):
            scaled = np.column_stack([logs / temperature, _log_tail(logs, tail, temperature)])
            best = scaled[:, :1]
            total = best[:, 0] + np.log(np.exp(scaled - best).sum(1))
            # Log loss: the logarithm of the score that the true class would have.
            self._losses[at] += (total - scaled[np.arange(len(rank)), rank]).sum()
            self._counts[at].add(np.exp(best[:, 0] - total), rank == 0)

    def best(self) -> Fit | None:
        """The likeliest temperature; None if it is out of range, as where everything is right."""
        at = int(self._losses.argmin())
        if not 0 < at < len(_TEMPERATURES) - 1:
            return None
        # A parabola through the three lowest points, over the logarithm of the temperature.
        left, middle, right = self._losses[at - 1 : at + 2]
        curvature = (left - 2 * middle + right) / _STEP**2
        log = math.log(_TEMPERATURES[at]) + (left - right) / (2 * _STEP * curvature)
        # 95 % of a normal distribution; its variance is one over the curvature (Fisher
        # information).
        spread = 1.959964 / math.sqrt(curvature)
        low, best, high = (math.exp(log + way * spread) for way in (-1, 0, 1))
        return Fit(best, low, high, self._counts[at])


def _log_scores(scores: Floats, *, whole: bool) -> tuple[Floats, Floats | None]:
    """Logarithms of scores and of the ratio at which the rest falls off; None without a rest."""
    known = np.maximum(scores, 1e-38)  # the smallest float32 is of that size
    if whole:
        return np.log(known), None
    rest = np.maximum(1 - scores.sum(1), 1e-7)  # what a sum of float32 leaves of nothing
    return np.log(known), np.log(rest / (rest + known[:, -1]))


def _log_tail(logs: Floats, ratio: Floats | None, temperature: float) -> Floats:
    """Logarithm of the sum over the classes that are not stored, [n]."""
    if ratio is None:
        return np.full(len(logs), -np.inf)
    scaled: Floats = ratio / temperature
    # The sum of a geometric series that begins after the last class known.
    return logs[:, -1] / temperature + scaled - np.log1p(-np.exp(scaled))
