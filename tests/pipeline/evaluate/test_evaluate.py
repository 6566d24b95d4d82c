"""`quantlabel evaluate`, through the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli import main
from pipeline.evaluate.shares import wilson
from tests.helpers.finished_runs import write_run
from tests.helpers.rows import failed, labelled

TENCH, GOLDFISH, SHARK = 1, 2, 3


def _evaluated(capsys: pytest.CaptureFixture[str], folder: Path, truth: object) -> dict[str, Any]:
    assert main(["evaluate", str(folder), "--truth", str(truth), "--json"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    result: dict[str, Any] = json.loads(captured.out)
    written = (folder / "evaluation/evaluation.json").read_text("utf-8")
    assert json.loads(written) == result
    return result


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Four predictions with truth, one without, and two failures, one of them with truth."""
    folder = tmp_path / "labels"
    rest = {10: 0.01, 11: 0.01, 12: 0.01}
    rows = [
        labelled("/p/a.jpg", {TENCH: 0.9, GOLDFISH: 0.05, **rest}),
        labelled("/p/b.jpg", {TENCH: 0.7, GOLDFISH: 0.2, **rest}),
        labelled("/p/c.jpg", {GOLDFISH: 0.6, TENCH: 0.3, **rest}),
        labelled("/p/d.jpg", {TENCH: 0.2, 13: 0.1, **rest}),
        labelled("/p/unknown.jpg", {SHARK: 0.9, TENCH: 0.05, **rest}),
    ]
    broken = [failed(0)._replace(uri="/p/e.jpg"), failed(1)._replace(uri="/p/f.jpg")]
    write_run(folder, rows, broken, rows_per_shard=2)
    return folder


TRUTH = "file,class_id\na.jpg,1\nb.jpg,2\nc.jpg,2\nd.jpg,2\ne.jpg,3\ngone.jpg,3\n"


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    path = tmp_path / "truth.csv"
    path.write_text(TRUTH, "utf-8")
    return path


def test_rows_are_counted_and_named(
    run: Path, truth: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _evaluated(capsys, run, truth)["rows"] == {
        "with_truth": 5,
        "predictions": 4,
        "failures": 1,
        "without_truth": 2,
        "without_truth_examples": ["/p/unknown.jpg", "/p/f.jpg"],
        "truth_unused": 1,
        "truth_unused_examples": ["gone.jpg"],
    }


def test_a_failure_is_a_miss(run: Path, truth: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = _evaluated(capsys, run, truth)
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


def test_classes_have_precision_and_recall(
    run: Path, truth: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    classes = _evaluated(capsys, run, truth)["classes"]
    assert [
        (each["label"], each["truth"], each["predicted"], each["precision"], each["recall"])
        for each in classes
    ] == [
        ("tench", 1, 3, 1 / 3, 1.0),
        ("goldfish", 3, 1, 1.0, 1 / 3),
        ("great white shark", 1, 0, None, 0.0),
    ]


def test_confused_pairs_are_ranked(
    run: Path, truth: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _evaluated(capsys, run, truth)["confused"] == [
        {
            "truth": {"class_id": 2, "synset": "n01443537", "label": "goldfish"},
            "predicted": {"class_id": 1, "synset": "n01440764", "label": "tench"},
            "rows": 2,
        }
    ]


def test_scores_are_held_against_the_truth(
    run: Path, truth: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    calibration = _evaluated(capsys, run, truth)["calibration"]
    assert calibration["score"] == pytest.approx(0.6)
    assert calibration["accuracy"] == 0.5
    assert calibration["error"] == pytest.approx((0.1 + 0.7 + 0.4 + 0.2) / 4)
    assert calibration["temperature"] == 1.0


def test_the_folder_is_left_as_it_is_and_can_be_evaluated_again(
    run: Path, truth: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path.name: path.read_bytes() for path in run.iterdir()}
    first = _evaluated(capsys, run, truth)
    second = _evaluated(capsys, run, truth)
    assert {**first, "evaluated": 0} == {**second, "evaluated": 0}
    after = {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()}
    assert after == before


def test_a_person_gets_tables(run: Path, truth: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(run), "--truth", str(truth)]) == 0
    out = capsys.readouterr().out
    for expected in (
        "40.0 % (95 % interval 11.8 to 76.9), 2 of 5",
        "1 could not be labelled, counted as misses",
        "2 without truth, such as /p/unknown.jpg",
        "1 of the truth without row, such as gone.jpg",
        "mean 60.0 where 50.0 % are right",
    ):
        assert expected in out
    assert ["goldfish", "(2)", "tench", "(1)", "2"] in [line.split() for line in out.splitlines()]


def test_folders_can_be_the_truth(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    top = {TENCH: 0.9, GOLDFISH: 0.05, 10: 0.01, 11: 0.01}
    rows = [labelled("/p/tench/a.jpg", top), labelled("/p/n01443537/b.jpg", top)]
    write_run(tmp_path / "labels", rows)
    result = _evaluated(capsys, tmp_path / "labels", "folders")
    assert result["top1"]["hits"] == 1
    assert result["top5"] is None  # the run names four classes


def test_a_truth_of_other_pictures_is_refused(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other.csv"
    other.write_text("file,class_id\nz.jpg,1\n", "utf-8")
    for truth in (str(other), "folders"):
        assert main(["evaluate", str(run), "--truth", truth]) == 1
        message = capsys.readouterr().err
        assert "says nothing of any picture of the run, the first of which is /p/a.jpg" in message
        assert message.count("\n") == 1
    assert not (run / "evaluation").exists()


def test_only_failures_with_truth_leave_no_calibration(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "t.csv"
    path.write_text("file,class_id\ne.jpg,3\n", "utf-8")
    result = _evaluated(capsys, run, path)
    assert result["top1"]["share"] == 0
    assert result["calibration"] is None
    assert main(["evaluate", str(run), "--truth", str(path)]) == 0


def test_wilson_intervals_are_those_of_the_literature() -> None:
    # Newcombe (1998), table I: 81 of 263, 15 of 148, 0 of 20, 1 of 29.
    for hits, of, low, high in (
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ):
        assert wilson(hits, of) == pytest.approx((low, high), abs=5e-5)


def test_reference_model_is_as_good_as_measured(
    shared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = shared / "models/mobilenet_v1_0.25_128_quant.tflite"
    words = ["--input", shared / "images/ilsvrc", "--model", model, "--quiet"]
    fitted = {}
    for k in (5, 1001):
        out = tmp_path / str(k)
        assert main(["label", *map(str, [*words, "--output", out, "--top-k", k])]) == 0
        result = _evaluated(capsys, out, shared / "images/ilsvrc/truth.csv")
        assert (result["top1"]["share"], result["top5"]["share"]) == (0.54, 0.76)
        assert result["rows"]["with_truth"] == 200
        assert (result["rows"]["without_truth"], result["rows"]["truth_unused"]) == (0, 0)
        fitted[k] = result["calibration"]["fitted"]["temperature"]
    # Found by minimizing the likelihood of the logits themselves with scipy.
    assert fitted[1001] == pytest.approx(0.909, abs=0.002)
    assert fitted[5] == pytest.approx(fitted[1001], rel=0.05)
