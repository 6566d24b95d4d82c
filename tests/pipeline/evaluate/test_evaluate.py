"""`quantlabel evaluate`, through the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipeline.cli import main
from tests.helpers.contents import contents
from tests.helpers.evaluations import GOLDFISH, TENCH, evaluated
from tests.helpers.finished_runs import write_run
from tests.helpers.rows import labelled


def test_scores_are_held_against_the_truth(
    run: Path, truth: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    calibration = evaluated(capsys, run, truth)["calibration"]
    assert calibration["score"] == pytest.approx(0.6)
    assert calibration["accuracy"] == 0.5
    assert calibration["error"] == pytest.approx((0.1 + 0.7 + 0.4 + 0.2) / 4)
    assert calibration["temperature"] == 1.0


def test_the_folder_is_left_as_it_is_and_can_be_evaluated_again(
    run: Path, truth: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(run)
    first = evaluated(capsys, run, truth)
    second = evaluated(capsys, run, truth)
    assert {**first, "evaluated": 0} == {**second, "evaluated": 0}
    after = contents(run)
    assert {name: after[name] for name in before} == before
    assert {name.partition("/")[0] for name in after.keys() - before} == {"__evaluation"}


def test_each_picture_gets_its_truth(
    run: Path, truth: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluated(capsys, run, truth)
    table = pq.read_table(run / "__evaluation/pictures.parquet")
    assert table.to_pylist() == [
        {"uri": "/p/a.jpg", "truth": "tench", "right": True},
        {"uri": "/p/b.jpg", "truth": "goldfish", "right": False},
        {"uri": "/p/c.jpg", "truth": "goldfish", "right": True},
        {"uri": "/p/d.jpg", "truth": "goldfish", "right": False},
    ]
    marked = json.loads((run / "__evaluation/_QUANTLABEL.json").read_bytes())
    assert marked["entries"] == ["evaluation.json", "pictures.parquet"]


def test_folders_can_be_the_truth(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    top = {TENCH: 0.9, GOLDFISH: 0.05, 10: 0.01, 11: 0.01}
    rows = [labelled("/p/tench/a.jpg", top), labelled("/p/n01443537/b.jpg", top)]
    write_run(tmp_path / "labels", rows)
    result = evaluated(capsys, tmp_path / "labels", "folders")
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
    assert not (run / "__evaluation").exists()


def test_a_truth_that_leaves_every_picture_out_says_why(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    truth = tmp_path / "truth.csv"
    # Of a column with gaps pandas writes numbers as 2.0.
    lines = [f"/p/{name}.jpg,{class_id}" for name in "abcd" for class_id in ("1", "2.0")]
    truth.write_text("\n".join(["uri,class_id", *lines, ""]), "utf-8")
    assert main(["evaluate", str(run), "--truth", str(truth)]) == 1
    assert "people skipped the pictures, or differ over them" in capsys.readouterr().err
    assert main(["evaluate", str(run), "--truth", str(truth), "--disagreement", "majority"]) == 1
    assert "no label of them has a majority" in capsys.readouterr().err


def test_reference_model_is_as_good_as_measured(
    shared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = shared / "models/mobilenet_v1_0.25_128_quant.tflite"
    words = ["--input", shared / "images/ilsvrc", "--model", model, "--quiet"]
    words += ["--colour", "ignore"]  # as it was measured; 15 of them have another profile
    fitted = {}
    for k in (5, 1001):
        out = tmp_path / str(k)
        assert main(["label", *map(str, [*words, "--output", out, "--top-k", k])]) == 0
        result = evaluated(capsys, out, shared / "images/ilsvrc/truth.csv")
        assert (result["top1"]["share"], result["top5"]["share"]) == (0.54, 0.76)
        assert result["rows"]["with_truth"] == 200
        assert (result["rows"]["without_truth"], result["rows"]["truth_unused"]) == (0, 0)
        fitted[k] = result["calibration"]["fitted"]["temperature"]
    # Found by minimizing the likelihood of the logits themselves with scipy.
    assert fitted[1001] == pytest.approx(0.909, abs=0.002)
    assert fitted[5] == pytest.approx(fitted[1001], rel=0.05)
