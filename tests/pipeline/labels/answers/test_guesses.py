"""What quantlabel wrote is no truth, under whatever name."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas
import pyarrow.parquet as pq
import pytest

from pipeline.cli import main
from pipeline.labels.answers.guesses import is_guess, is_ours, looks_copied
from tests.helpers.evaluations import evaluated
from tests.helpers.finished_runs import write_run
from tests.helpers.rows import labelled


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run that every command has worked on."""
    folder = tmp_path_factory.mktemp("guesses") / "labels"
    rows = []
    for at in range(40):
        vector = np.zeros(256, np.float32)
        vector[[at % 2, 2 + at // 2]] = 1
        top = {1 + at % 2: 0.9, 3: 0.05, 4: 0.01}
        kind = ("ant", "bee")[at % 2]
        rows.append(
            labelled(f"/p/{kind}/{at}.jpg", top, embedding=vector, sha256=f"{at // 2:064x}")
        )
    model = {"name": "net", "kind": "tflite", "sha256": "ab" * 32, "input_size": 128}
    write_run(folder, rows, model=model)
    for words in (
        ("head", "fit", "--truth", "folders"),
        ("head", "apply"),
        ("review",),
        ("duplicates",),
        *(("export", "--to", to) for to in ("csv", "huggingface", "coco-classification")),
        ("export", "--to", "fiftyone"),
        ("export", "--to", "label-studio"),
    ):
        command = words[: 2 if words[0] == "head" else 1]
        assert main([*command, str(folder), *words[len(command) :]]) == 0
    return folder


@pytest.mark.parametrize(
    "pattern",
    [
        "**/predictions-00000-of-00001.parquet",
        "__head/predictions-*.parquet",
        "__review/review.csv",
        "__duplicates/groups.parquet",
        "__export/csv/predictions.csv",
        "__export/huggingface/data/*.parquet",
        "__export/coco-classification/annotations.json",
        "__export/label-studio/tasks-*.json",
    ],
)
def test_what_we_wrote_is_refused_under_another_name(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], pattern: str
) -> None:
    (path,) = list(run.glob(pattern))[:1]
    truth = tmp_path / f"truth{path.suffix}"
    shutil.copy(path, truth)
    for command in (("evaluate",), ("head", "fit")):
        assert main([*command, str(run), "--truth", str(truth)]) == 1
        message = capsys.readouterr().err
        assert message.count("\n") == 1
        assert str(truth) in message
        assert "that people filled in" in message or "tasks without an answer" in message


def test_labels_of_fiftyone_with_a_confidence_are_refused(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(run / "__export/fiftyone", tmp_path / "fo")
    assert main(["evaluate", str(run), "--truth", str(tmp_path / "fo/labels.json")]) == 1
    assert "this label has a confidence, so a model gave it" in capsys.readouterr().err


def test_a_column_of_people_beside_our_own_is_read(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every guess is corrected: nothing is right, whatever stands in our own columns."""
    (shard,) = run.glob("predictions-*.parquet")
    table = pq.read_table(shard).to_pandas()[["uri", "label", "class_id", "score"]]
    truth = tmp_path / "truth.csv"
    table.assign(truth="goldfinch").to_csv(truth, index=False)
    words = ["evaluate", str(run), "--truth", str(truth), "--json"]
    assert main([*words, "--truth-column", "truth"]) == 0
    assert json.loads(capsys.readouterr().out)["top1"]["hits"] == 0
    assert main([*words, "--truth-column", "label"]) == 1
    message = capsys.readouterr().err
    assert "the column label holds what the network guessed, as score beside it tells" in message
    table.assign(choice="goldfinch").to_csv(truth, index=False)
    assert evaluated(capsys, run, truth)["top1"]["hits"] == 0


def test_review_calls_the_guess_so(run: Path) -> None:
    columns = pandas.read_csv(run / "__review/review.csv").columns
    assert "guess" in columns
    assert "label" not in columns


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ("uri label score", True),
        ("uri label guess", True),
        ("file label top_labels", True),
        ("uri label mapped_label", True),
        ("uri label why", True),
        ("uri label label_2", True),
        ("uri label similarity", True),
        ("URI label Score", True),
        ("uri label TOP_LABELS", True),
        ("uri label sha256 width height", True),
        ("uri label sha256", False),
        ("file class_id synset label", False),
        ("uri label annotator round note", False),
        ("file label width height", False),
    ],
)
def test_our_columns_tell_a_table_of_ours(columns: str, expected: bool) -> None:
    assert is_ours(columns.split()) is expected


def test_columns_that_we_write_are_known() -> None:
    assert all(map(is_guess, ["label", "synset", "class_id", "guess", "label_2", "mapped_label"]))
    assert not any(map(is_guess, ["truth", "choice", "species", "labels"]))


def test_ten_answers_by_nobody_that_are_all_the_runs_own_look_copied() -> None:
    nobody, somebody = {"annotators": 0}, {"annotators": 1}
    assert looks_copied(10, of=10, answers=nobody)
    assert not looks_copied(9, of=10, answers=nobody)
    assert not looks_copied(9, of=9, answers=nobody)
    assert not looks_copied(10, of=10, answers=somebody)
    assert not looks_copied(10, of=10, answers=None)  # folders
