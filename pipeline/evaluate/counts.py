"""Predictions against the truth: what is counted, in memory that does not grow with the rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.evaluate.calibration import ScoreCounts, TemperatureFit
from pipeline.evaluate.confusion import class_figures, confused
from pipeline.evaluate.given_labels import Labels
from pipeline.evaluate.shares import share
from pipeline.labels.answers.answer import NONE_OF_THESE
from pipeline.labels.answers.guesses import looks_copied
from pipeline.labels.answers.votes import DISPUTED, NONE, SKIPPED, UNKNOWN
from pipeline.labels.truth import Truth

_TOP = 5
_EXAMPLES = 20
_MISTAKES = 50

_FEW = 3
"""Hits of a truth counted from 0 that are no chance, if they are twice those of the truth."""

PICTURES = pa.schema([("uri", pa.string()), ("truth", pa.string()), ("right", pa.bool_())])
"""Of each picture what it shows, and whether that is the label it got."""

Ids = npt.NDArray[np.int64]


class Evaluation:
    """Counts rows against a truth.

    A picture with a truth that could not be labelled is a miss: it counts for top-1, top-5, recall
    and coverage, and has no part in precision and calibration. So is one that got no label, as
    below the threshold of a label map, and whatever label it gave to a picture of which people say
    that it shows none of these.

    Args:
        truth: what the pictures show, in the numbers of `labels`.
        labels: what is compared.
        temperature: under which the scores of the run were made.
    """

    def __init__(self, truth: Truth, labels: Labels, *, temperature: float = 1.0) -> None:
        self._none = len(labels.names)
        self._names = [*labels.names, {"label": NONE_OF_THESE}]
        self._labels_of_numbers = pa.array([name["label"] for name in self._names], pa.string())
        count = len(self._names)
        self._truth = truth
        self._labels = labels
        self._pairs = np.zeros((count, count), np.int64)
        """Rows by true and given label."""
        self._unanswered = np.zeros(count, np.int64)
        self._failed = np.zeros(count, np.int64)
        self._scores = ScoreCounts()
        self._ranking = Ranking(self._none, temperature=temperature) if labels.ranked else None
        self._temperature = temperature
        self._left_out = dict.fromkeys((UNKNOWN, DISPUTED, SKIPPED), 0)
        self._examples: list[str] = []

    def add_predictions(self, table: pa.Table) -> pa.Table:
        """Counts rows of `Labels.tables`.

        Returns:
            Those with a truth, with `PICTURES`.
        """
        true = self._classes(table["uri"].to_pylist())
        known = true >= 0
        if not known.any():
            return PICTURES.empty_table()
        true, table = true[known], table.filter(pa.array(known))
        given, scores = self._labels.numbers(table), self._labels.scores(table)
        answered = given != UNKNOWN
        # Not `+=`, which counts a pair once that comes several times in a table.
        np.add.at(self._pairs, (true[answered], given[answered]), 1)
        self._unanswered += np.bincount(true[~answered], minlength=len(self._unanswered))
        self._scores.add(scores[answered], (given == true)[answered])
        if self._ranking:
            self._ranking.add(table, true)
        shows = self._labels_of_numbers.take(pa.array(true))
        return pa.table([table["uri"], shows, pa.array(given == true)], schema=PICTURES)

    def add_failures(self, table: pa.Table) -> None:
        """Counts failures with the column `uri`."""
        true = self._classes(table["uri"].to_pylist())
        self._failed += np.bincount(true[true >= 0], minlength=len(self._failed))

    def _classes(self, uris: Sequence[str]) -> Ids:
        true = self._truth.classes(uris).astype(np.int64)
        without = np.flatnonzero(true == UNKNOWN)
        for code in self._left_out:
            self._left_out[code] += int((true == code).sum())
        room = max(_EXAMPLES - len(self._examples), 0)
        self._examples += [uris[at] for at in without[:room].tolist()]
        true[true == NONE] = self._none
        return true

    @property
    def without_truth(self) -> list[str]:
        """The first pictures that the truth says nothing of."""
        return self._examples

    @property
    def left_out(self) -> int:
        """Pictures that people skipped or differ over."""
        return self._left_out[SKIPPED] + self._left_out[DISPUTED]

    def result(self) -> dict[str, Any] | None:
        """All figures as plain values, see docs/commands/evaluate.md; None without a truth."""
        answered, failures = int(self._pairs.sum()), int(self._failed.sum())
        rows = answered + int(self._unanswered.sum())
        if not rows + failures:
            return None
        unused = self._truth.unused(examples=_EXAMPLES)
        hits = int(self._pairs.trace())
        answers = self._truth.summary()
        return {
            "labels": self._labels.kind,
            "rows": {
                "with_truth": rows + failures,
                "predictions": rows,
                "failures": failures,
                "without_truth": self._left_out[UNKNOWN],
                "without_truth_examples": self._examples,
                "disputed": self._left_out[DISPUTED],
                "skipped": self._left_out[SKIPPED],
                "none_of_these": int(self._true()[self._none]),
                "truth_unused": unused.number,
                "truth_unused_examples": unused.examples,
            },
            "top1": share(hits, rows + failures),
            "top5": self._ranking and self._ranking.top5(rows + failures),
            "answered": share(answered, rows + failures),
            "precision": share(hits, answered) if answered else None,
            "classes": self._class_figures(),
            "confused": list(confused(self._pairs, self._names, most=_MISTAKES)),
            "answers": answers,
            "copied": looks_copied(hits, of=rows + failures, answers=answers),
            "shifted": self._shifted(hits, rows + failures),
            "calibration": self._calibration(),
            "coverage": self._scores.coverage(of=rows + failures),
        }

    def _true(self) -> Ids:
        """Pictures by what they show."""
        return np.asarray(self._pairs.sum(1) + self._unanswered + self._failed)

    def _shifted(self, hits: int, of: int) -> dict[str, Any] | None:
        """What would be right with class ids one higher or lower; None where that is unlikely."""
        if not self._labels.ranked:
            return None
        pairs = self._pairs[: self._none, : self._none]
        shifted, by = max((int(pairs.trace(offset=by)), by) for by in (1, -1))
        if shifted < _FEW or shifted <= 2 * hits:
            return None
        return {**share(shifted, of), "by": by, "class_1": self._names[1]["label"]}

    def _class_figures(self) -> list[dict[str, Any]]:
        figures = class_figures(self._pairs, missed=self._unanswered + self._failed)
        return [
            {
                **self._names[at],
                "truth": of.truth,
                "predicted": of.predicted,
                "unanswered": int(self._unanswered[at]),
                "hits": of.hits,
                "precision": of.precision,
                "recall": of.recall,
            }
            for at, of in enumerate(figures)
            if of.truth + of.predicted
        ]

    def _calibration(self) -> dict[str, Any] | None:
        if not self._pairs.any():
            return None
        return {
            "score": self._scores.score(),
            "accuracy": float(self._pairs.trace() / self._pairs.sum()),
            "error": self._scores.error(),
            "bins": self._scores.reliability(),
            "temperature": self._temperature,
            "fitted": self._ranking and self._ranking.fitted(),
        }


class Ranking:
    """What the order of the network's best classes says, and their scores.

    Args:
        classes: how many there are.
        temperature: as in `Evaluation`.
    """

    def __init__(self, classes: int, *, temperature: float) -> None:
        self._classes = classes
        self._temperature = temperature
        self._fit = TemperatureFit(classes=classes)
        self._in_top = 0
        self._top_k = 0

    def add(self, table: pa.Table, true: Ids) -> None:
        """Counts rows with `top_class_ids` and `top_scores` whose class is known."""
        ids, scores = (_matrix(table[name]) for name in ("top_class_ids", "top_scores"))
        self._top_k = ids.shape[1]
        found = ids == true[:, None]
        # argmax is 0 too where nothing was found, hence the question.
        rank = np.where(found.any(1), found.argmax(1), self._top_k)
        self._in_top += int((rank < _TOP).sum())
        one = true < self._classes  # none of these is no class whose likelihood could be told
        self._fit.add(scores[one].astype(np.float64), rank[one])

    def top5(self, of: int) -> dict[str, Any] | None:
        """How often the truth is among five; None if rows name fewer."""
        return share(self._in_top, of) if self._top_k >= _TOP else None

    def fitted(self) -> dict[str, Any] | None:
        """The temperature that fits best, or None if it is out of range."""
        fit, before = self._fit.best(), self._temperature
        if fit is None:
            return None
        return {
            "temperature": before * fit.temperature,
            "low": before * fit.low,
            "high": before * fit.high,
            "score": fit.counts.score(),
            "error": fit.counts.error(),
        }


def _matrix(lists: pa.ChunkedArray) -> npt.NDArray[Any]:
    """Lists of one length as [n, k]."""
    values: npt.NDArray[Any] = lists.combine_chunks().flatten().to_numpy()
    return values.reshape(len(lists), -1)
