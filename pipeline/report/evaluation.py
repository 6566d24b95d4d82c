"""What `quantlabel evaluate` found, for the report."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from markupsafe import Markup

from pipeline.evaluate.tables import answer_lines
from pipeline.labels.answers.guesses import COPIED
from pipeline.report import charts
from pipeline.run.folder.finished import FinishedRun
from transforms.rows.names import EVALUATION_FILE
from transforms.storage import files


@dataclasses.dataclass(frozen=True)
class EvaluationPart:
    """A section of the page.

    Attributes:
        caption: what was compared.
        answers: name and text: who said it, what was left out and how far people agree.
        tiles: value and name of the figures that matter most.
        figures: caption and chart.
        confused: the most frequent mistakes: truth, prediction, pictures.
    """

    caption: str
    answers: Sequence[tuple[str, str]]
    tiles: Sequence[tuple[str, str]]
    figures: Sequence[tuple[str, Markup]]
    confused: Sequence[tuple[str, str, int]]


def evaluation_part(run: FinishedRun) -> EvaluationPart | None:
    """The section, or None if this very run has not been evaluated."""
    path = run.find(EVALUATION_FILE)
    if not files.exists(path):
        return None
    result = orjson.loads(files.read_bytes(path))
    if result["run"]["started"] != run.manifest.started:
        return None  # of a run that was here before
    return EvaluationPart(
        caption=f"{result['rows']['with_truth']:,} pictures compared with {result['truth']}.",
        answers=[line for line in _answers(result) if line[1]],
        tiles=_tiles(result),
        figures=_figures(result),
        confused=[
            (mistake["truth"]["label"], mistake["predicted"]["label"], mistake["rows"])
            for mistake in result["confused"][:10]
        ],
    )


def _answers(result: Mapping[str, Any]) -> list[tuple[str, str]]:
    copied = COPIED if result.get("copied") else ""
    return [*answer_lines(result.get("answers")), ("copied?", copied)]


def _tiles(result: Mapping[str, Any]) -> list[tuple[str, str]]:
    tiles = [
        (f"{found['share']:.1%}", f"{name}, {found['low']:.0%} to {found['high']:.0%}")
        for name, key in _SHARES[result["labels"] == "network"]
        if (found := result[key])
    ]
    if result["calibration"]:
        tiles.append((f"{result['calibration']['score']:.1%}", "mean score"))
        tiles.append((f"{result['calibration']['error']:.3f}", "calibration error (ECE)"))
    return tiles


_SHARES = {
    True: (("top-1", "top1"), ("top-5", "top5")),
    False: (("labelled", "answered"), ("right of those", "precision"), ("right of all", "top1")),
}


def _figures(result: Mapping[str, Any]) -> list[tuple[str, Markup]]:
    coverage = result["coverage"]
    figures = [
        (
            "What a threshold on the score leaves, and how often that is right",
            charts.curves(
                [
                    charts.Curve("pictures left", "", _points(coverage, "threshold", "coverage")),
                    charts.Curve(
                        "of them right", "second", _points(coverage, "threshold", "accuracy")
                    ),
                ],
                title="Coverage and accuracy by the threshold on the score",
                axis="threshold on the score",
            ),
        )
    ]
    if result["calibration"]:
        bins = result["calibration"]["bins"]
        found = charts.Curve("measured", "", _points(bins, "score", "accuracy"))
        ideal = charts.Curve("scores that mean what they say", "ideal", [(0.0, 0.0), (1.0, 1.0)])
        chart = charts.curves(
            [found, ideal], title="Accuracy by the mean score of a bin", axis="score"
        )
        figures.append(("How often a score is right", chart))
    return figures


def _points(rows: Sequence[Mapping[str, Any]], x: str, y: str) -> list[tuple[float, float]]:
    """Bins and thresholds without a picture have no value."""
    return [(row[x], row[y]) for row in rows if row[x] is not None and row[y] is not None]
