"""What is counted of the rows."""

from __future__ import annotations

import json
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
        "disputed": 0,
        "skipped": 0,
        "none_of_these": 0,
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


def test_none_of_these_is_a_miss(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "t.csv"
    path.write_text("file,label\na.jpg,tench\nb.jpg,none of these\nc.jpg,None of these\n", "utf-8")
    result = evaluated(capsys, run, path)
    assert (result["top1"]["hits"], result["top5"]["hits"], result["top1"]["of"]) == (1, 1, 3)
    assert result["rows"]["none_of_these"] == 2
    assert [(each["label"], each["truth"], each["predicted"]) for each in result["classes"]] == [
        ("tench", 1, 2),
        ("goldfish", 0, 1),
        ("none of these", 2, 0),
    ]
    assert {"label": "none of these"} in [each["truth"] for each in result["confused"]]
    assert result["calibration"]["accuracy"] == pytest.approx(1 / 3)


def test_what_people_differ_over_or_skip_is_left_out_and_counted(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "t.csv"
    rows = "a.jpg,tench,ann\na.jpg,tench,bob\nb.jpg,tench,ann\nb.jpg,goldfish,bob\nc.jpg,,ann\n"
    path.write_text(f"file,truth,annotator\n{rows}", "utf-8")
    words = ["evaluate", str(run), "--truth", str(path), "--truth-column", "truth"]
    assert main([*words, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["top1"]["hits"], result["top1"]["of"]) == (1, 1)
    rows_ = result["rows"]
    assert (rows_["disputed"], rows_["skipped"], rows_["without_truth"]) == (1, 1, 4)
    assert result["answers"]["agreement"] == {
        "pictures": 2,
        "unanimous": 1,
        "agreed": 0.5,
        "kappa": 0.0,
        "kappa_of": "Cohen",
    }
    assert main(words) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "answers 4 of 2 people; 1 skipped, left out; 1 left out, as people differ" in out
    assert "50.0 % over 2 pictures with several answers, Cohen's kappa 0.00" in out


def test_a_truth_counted_from_0_is_noticed(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "t.csv"
    path.write_text("file,class_id\na.jpg,0\nb.jpg,0\nc.jpg,1\nd.jpg,0\nunknown.jpg,9\n", "utf-8")
    result = evaluated(capsys, run, path)
    assert (result["top1"]["hits"], result["shifted"]["hits"]) == (0, 4)
    assert main(["evaluate", str(run), "--truth", str(path)]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "4 of 5 would be right if the truth counted classes from 0" in out
    path.write_text("file,class_id\na.jpg,1\nb.jpg,1\nc.jpg,2\nd.jpg,1\n", "utf-8")
    assert evaluated(capsys, run, path)["shifted"] is None


def test_only_failures_with_truth_leave_no_calibration(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "t.csv"
    path.write_text("file,class_id\ne.jpg,3\n", "utf-8")
    result = evaluated(capsys, run, path)
    assert result["top1"]["share"] == 0
    assert result["calibration"] is None
    assert main(["evaluate", str(run), "--truth", str(path)]) == 0
