"""What is counted of the rows."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.cli import main
from tests.helpers.evaluations import evaluated


def test_rows_are_counted_and_named(
    run: Path, truth: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluated(capsys, run, truth)["rows"] == {
        "with_truth": 5,
        "predictions": 4,
        "failures": 1,
        "without_truth": 2,
        "without_truth_examples": ["/p/unknown.jpg", "/p/f.jpg"],
        "truth_unused": 1,
        "truth_unused_examples": ["gone.jpg"],
    }


def test_a_failure_is_a_miss(run: Path, truth: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = evaluated(capsys, run, truth)
    assert (result["top1"]["hits"], result["top1"]["of"]) == (2, 5)
    assert (result["top5"]["hits"], result["top5"]["of"]) == (3, 5)
    assert result["coverage"][0] == {
        "threshold": 0.0,
        "rows": 4,
        "coverage": 0.8,
        "accuracy": 0.5,
    }
    assert result["coverage"][65]["accuracy"] == 0.5
    assert result["coverage"][65]["rows"] == 2


def test_only_failures_with_truth_leave_no_calibration(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "t.csv"
    path.write_text("file,class_id\ne.jpg,3\n", "utf-8")
    result = evaluated(capsys, run, path)
    assert result["top1"]["share"] == 0
    assert result["calibration"] is None
    assert main(["evaluate", str(run), "--truth", str(path)]) == 0
