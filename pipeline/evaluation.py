"""Predictions against the truth: what is counted, in memory that does not grow with the rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.calibration import ScoreCounts, TemperatureFit
from pipeline.truth import UNKNOWN, Truth
from transforms.labels import class_names

COLUMNS = ("uri", "class_id", "score", "top_class_ids", "top_scores")
"""Of the predictions, what an evaluation reads."""

_TOP = 5
_EXAMPLES = 20
_PAIRS = 50

Ids = npt.NDArray[np.int64]


class Evaluation:
    """Counts rows against a truth.

    A picture with a truth that could not be labelled is a miss: it counts for top-1, top-5, recall
    and coverage, and has no part in precision and calibration.

    Args:
        truth: what the pictures show.
        temperature: under which the scores of the run were made.
    """

    def __init__(self, truth: Truth, *, temperature: float = 1.0) -> None:
        classes = len(class_names())
        self._truth = truth
        self._temperature = temperature
        self._pairs = np.zeros((classes, classes), np.int64)
        """Rows by true class and predicted class."""
        self._failed = np.zeros(classes, np.int64)
        self._in_top = np.zeros(classes, np.int64)
        self._scores = ScoreCounts()
        self._fit = TemperatureFit(classes=classes)
        self._top_k = 0
        self._without_truth = 0
        self._examples: list[str] = []

    def add_predictions(self, table: pa.Table) -> None:
        """Counts predictions with the columns `COLUMNS`."""
        true = self._classes(table["uri"].to_pylist())
        known = true != UNKNOWN
        if not known.any():
            return
        true, table = true[known], table.filter(pa.array(known))
        ids, scores = (_matrix(table[name]) for name in ("top_class_ids", "top_scores"))
        self._top_k = ids.shape[1]
        found = ids == true[:, None]
        rank = np.where(found.any(1), found.argmax(1), self._top_k)
        np.add.at(self._pairs, (true, ids[:, 0]), 1)
        self._in_top += np.bincount(true[rank < _TOP], minlength=len(self._in_top))
        self._scores.add(scores[:, 0].astype(np.float64), rank == 0)
        self._fit.add(scores.astype(np.float64), rank)

    def add_failures(self, table: pa.Table) -> None:
        """Counts failures with the column `uri`."""
        true = self._classes(table["uri"].to_pylist())
        self._failed += np.bincount(true[true != UNKNOWN], minlength=len(self._failed))

    def _classes(self, uris: Sequence[str]) -> Ids:
        true = self._truth.classes(uris).astype(np.int64)
        without = np.flatnonzero(true == UNKNOWN)
        self._without_truth += len(without)
        room = max(_EXAMPLES - len(self._examples), 0)
        self._examples += [uris[at] for at in without[:room].tolist()]
        return true

    @property
    def without_truth(self) -> list[str]:
        """The first pictures that the truth says nothing of."""
        return self._examples

    def result(self) -> dict[str, Any] | None:
        """All figures, as plain values: see docs/evaluation.md. None if no row has a truth."""
        rows, failures = int(self._pairs.sum()), int(self._failed.sum())
        if not rows + failures:
            return None
        unused = self._truth.unused(examples=_EXAMPLES)
        return {
            "rows": {
                "with_truth": rows + failures,
                "predictions": rows,
                "failures": failures,
                "without_truth": self._without_truth,
                "without_truth_examples": self._examples,
                "truth_unused": unused.number,
                "truth_unused_examples": unused.examples,
            },
            "top1": share(int(self._pairs.trace()), rows + failures),
            "top5": share(int(self._in_top.sum()), rows + failures)
            if self._top_k >= _TOP
            else None,
            "classes": self._class_figures(),
            "confused": self._confused(),
            "calibration": self._calibration(),
            "coverage": self._scores.coverage(of=rows + failures),
        }

    def _class_figures(self) -> list[dict[str, Any]]:
        hits = self._pairs.diagonal()
        predicted, true = self._pairs.sum(0), self._pairs.sum(1) + self._failed
        return [
            {
                **_class(at),
                "truth": int(true[at]),
                "predicted": int(predicted[at]),
                "hits": int(hits[at]),
                "precision": _ratio(hits[at], predicted[at]),
                "recall": _ratio(hits[at], true[at]),
            }
            for at in np.flatnonzero(true + predicted).tolist()
        ]

    def _confused(self) -> list[dict[str, Any]]:
        """The most frequent mistakes, equal ones in order of the classes."""
        wrong = self._pairs - np.diag(self._pairs.diagonal())
        order = np.argsort(-wrong, axis=None, kind="stable")[:_PAIRS]
        pairs = zip(*np.unravel_index(order, wrong.shape), strict=True)
        return [
            {"truth": _class(true), "predicted": _class(said), "rows": int(wrong[true, said])}
            for true, said in pairs
            if wrong[true, said]
        ]

    def _calibration(self) -> dict[str, Any] | None:
        if not self._pairs.any():
            return None
        fit = self._fit.best()
        before = self._temperature
        return {
            "score": self._scores.score(),
            "accuracy": float(self._pairs.trace() / self._pairs.sum()),
            "error": self._scores.error(),
            "bins": self._scores.reliability(),
            "temperature": before,
            "fitted": fit
            and {
                "temperature": before * fit.temperature,
                "low": before * fit.low,
                "high": before * fit.high,
                "score": fit.counts.score(),
                "error": fit.counts.error(),
            },
        }


def _matrix(lists: pa.ChunkedArray) -> npt.NDArray[Any]:
    """Lists of one length as [n, k]."""
    values: npt.NDArray[Any] = lists.combine_chunks().flatten().to_numpy()
    return values.reshape(len(lists), -1)


def _class(class_id: int) -> dict[str, Any]:
    name = class_names()[class_id]
    return {"class_id": name.class_id, "synset": name.synset, "label": name.label}


def _ratio(part: np.int64, whole: np.int64) -> float | None:
    return float(part / whole) if whole else None


def share(hits: int, of: int) -> dict[str, Any]:
    """A share with its 95 % confidence interval, as plain values."""
    low, high = wilson(hits, of)
    return {"hits": hits, "of": of, "share": hits / of, "low": low, "high": high}


def wilson(hits: int, of: int) -> tuple[float, float]:
    """The 95 % confidence interval of a share, Wilson (1927): good for few rows, near 0 and 1."""
    z = 1.959964
    share, spread = hits / of, z * z / of
    middle = share + spread / 2
    half = z * math.sqrt(share * (1 - share) / of + spread / of / 4)
    return (middle - half) / (1 + spread), (middle + half) / (1 + spread)
