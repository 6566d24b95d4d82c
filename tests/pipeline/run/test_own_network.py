"""A network of the user's own: labelled by one flag, and every command speaks its classes."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from pipeline import load_model
from pipeline.cli import main
from pipeline.export.targets import TARGETS
from pipeline.run.folder.finished import open_run
from tests.helpers.networks import oblong_network, own_network, vector_network, with_metadata
from tests.helpers.run_tflite import run_tflite
from transforms.images.preprocess import load

LABELS = ["cat", "sea lion", "7", "crane", "crane"]


@pytest.fixture
def folder(tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Pictures, a network, and the names of its classes; the current folder."""
    assert photos.parent == tmp_path
    (tmp_path / "own.tflite").write_bytes(own_network(5))
    (tmp_path / "names.txt").write_text("".join(f"{label}\n" for label in LABELS), "utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _label(*words: str, model: str = "own.tflite", out: str = "out") -> int:
    arguments = ["--quiet", "--input", "photos", "--output", out, "--model", model]
    return main(["label", *arguments, *words])


def _rows(out: str = "out") -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pa.concat_tables(open_run(out).predictions()).to_pylist()
    return rows


@pytest.mark.parametrize("format", ["parquet", "tfrecord", "jsonl"])
def test_rows_name_its_classes(
    folder: Path, format: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _label("--classes", "names.txt", "--format", format) == 0
    for row in _rows():
        assert row["label"] == LABELS[row["class_id"]]
        assert row["synset"] is None
        assert sorted(row["top_class_ids"]) == [0, 1, 2, 3, 4]
        assert len(row["embedding"]) == 256
    (folder / "names.txt").unlink()  # the manifest says all of it
    assert main(["verify", "out"]) == 0
    assert "10 pictures, every column compared" in capsys.readouterr().out


@pytest.mark.usefixtures("folder")
def test_the_manifest_says_how_it_was_read() -> None:
    assert _label("--classes", "names.txt") == 0
    model = open_run("out").manifest.model.as_dict()
    assert model["classes"]["labels"] == LABELS
    assert model["outputs"] == "scores"
    assert model["pixel_values"] == "the byte"
    assert model["feature_size"] == 256


def test_another_label_file_is_another_model(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _label("--classes", "names.txt") == 0
    (folder / "same.txt").write_text("0 cat\n1 sea lion\n2 7\n3 crane\n4 crane\n", "utf-8")
    assert _label("--resume", "--classes", "same.txt") == 0
    assert open_run("out").manifest.reused == 10
    (folder / "other.txt").write_text("a\nb\nc\nd\ne\n", "utf-8")
    assert _label("--resume", "--classes", "other.txt") == 1
    assert "made otherwise (--classes " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "model own: it has 5 classes and nothing says what they are called; pass --classes"),
        (["--classes", "three.txt"], "model own: --classes three.txt has 3 classes, the network 5"),
        (["--classes", "own.tflite"], "model own: --classes own.tflite: expected a text file"),
        (["--classes", "imagenet"], "model own: it has 5 classes; --classes imagenet has 1,001 or"),
        (
            ["--classes", "names.txt", "--top-k", "6"],
            "--top-k: expected a number from 1 to 5, the classes of the network, found 6",
        ),
        (
            ["--classes", "names.txt", "--embedding-tensor", "x"],
            "model own: --embedding-tensor x: there is no such tensor; the last vectors are ",
        ),
    ],
)
def test_what_does_not_go_together_is_one_line_before_any_picture(
    folder: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "three.txt").write_text("a\nb\nc\n", "utf-8")
    assert _label(*words) in (1, 2)
    said = capsys.readouterr().err
    assert said.startswith(f"quantlabel: {message}")
    assert said.count("\n") == 1
    assert not (folder / "out").exists()


def test_labels_lie_in_its_metadata_or_beside_it(folder: Path) -> None:
    (folder / "labels.txt").write_text("a\nb\nc\nd\ne\n", "utf-8")
    assert _label() == 0
    assert open_run("out").manifest.model.classes.labels == ["a", "b", "c", "d", "e"]
    (folder / "meta.tflite").write_bytes(with_metadata(own_network(5), LABELS))
    assert _label(model="meta.tflite", out="meta") == 0
    assert open_run("meta").manifest.model.classes.labels == LABELS


def _truth(path: str, column: str, value: str) -> None:
    with open(path, "w", encoding="utf-8", newline="") as file:
        lines = [[row["uri"], value] for row in _rows()]
        csv.writer(file).writerows([["uri", column], *lines])


@pytest.mark.usefixtures("folder")
def test_a_truth_that_was_cut_out_of_the_rows_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert _label("--classes", "names.txt") == 0
    with open("cut.csv", "w", encoding="utf-8", newline="") as file:
        lines = [[row["uri"], row["class_id"]] for row in _rows()]
        csv.writer(file).writerows([["uri", "class_id"], *lines])
    for words, said in ((["cut.csv"], True), (["cut.csv", "--labels", "network"], True)):
        capsys.readouterr()
        assert main(["evaluate", "out", "--truth", *words]) == 0
        assert ("copied?" in capsys.readouterr().out) is said
    assert main(["report", "out"]) == 0
    page = Path("out/__report/index.html").read_text("utf-8")
    assert "copied?: every answer is the run&#39;s own label" in page


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("column", "value"), [("label", "sea_lion"), ("class_id", "1"), ("label", "Sea Lion")]
)
def test_truth_names_its_classes(
    column: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _label("--classes", "names.txt") == 0
    _truth("truth.csv", column, value)
    capsys.readouterr()
    assert main(["evaluate", "out", "--truth", "truth.csv", "--json"]) == 0
    said = sum(row["class_id"] == 1 for row in _rows())
    assert json.loads(capsys.readouterr().out)["top1"]["hits"] == said


@pytest.mark.usefixtures("folder")
def test_a_truth_that_names_something_else_lists_its_classes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert _label("--classes", "names.txt") == 0
    _truth("truth.csv", "label", "tiger cat")
    assert main(["evaluate", "out", "--truth", "truth.csv"]) == 1
    assert "label 'tiger cat' is no class of the network; it has cat, sea lion, 7, crane" in (
        capsys.readouterr().err
    )


def test_a_label_map_takes_its_classes(folder: Path) -> None:
    (folder / "map.csv").write_text("class,label\nsea lion,animal\n*,rest\n", "utf-8")
    assert _label("--classes", "names.txt", "--label-map", "map.csv") == 0
    for row in _rows():
        scores = dict(zip(row["top_class_ids"], row["top_scores"], strict=True))
        expected = "animal" if scores[1] >= sum(scores.values()) - scores[1] else "rest"
        assert row["mapped_label"] == expected


def test_what_comes_after_runs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _label("--classes", "names.txt", "--top-k", "2") == 0
    pictures = sorted((folder / "photos").iterdir())
    with (folder / "own.csv").open("w", encoding="utf-8", newline="") as file:
        lines = [[str(path), "even" if at % 2 else "odd"] for at, path in enumerate(pictures)]
        csv.writer(file).writerows([["uri", "label"], *lines])
    for words in (
        ["head", "fit", "out", "--truth", "own.csv"],
        ["head", "apply", "out"],
        ["duplicates", "out"],
        ["review", "out", "--budget", "4"],
        ["report", "out"],
        ["search", "out", "--like", str(pictures[0]), "-k", "1"],
        ["export", "out", "--to", "label-studio", "--labels", "network"],
        ["plan", "--input", "photos", "--model", "own.tflite", "--classes", "names.txt"],
        ["labels", "search", "crane", "--model", "own.tflite", "--classes", "names.txt"],
        ["labels", "search", "lion", "--classes", "names.txt"],
        ["model", "info", "own.tflite", "--classes", "names.txt"],
    ):
        assert main(words) == 0, (words, capsys.readouterr().err)
    config = (folder / "out/__export/label-studio").glob("*.xml")
    text = next(config).read_text("utf-8")
    for name in ("cat", "sea lion", "7", "crane (3)", "crane (4)"):  # all, whatever rows name
        assert f'<Choice value="{name}"/>' in text


@pytest.mark.parametrize("format", ["parquet", "tfrecord", "jsonl"])
def test_without_classes_rows_hold_the_vectors(
    folder: Path, format: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "own.tflite").write_bytes(vector_network())
    assert _label("--format", format) == 0
    for row in _rows():
        assert [row[name] for name in ("class_id", "synset", "label", "score")] == [None] * 4
        assert [row[name] for name in ("top_class_ids", "top_labels", "top_scores")] == [[]] * 3
    whole = own_network()
    names = folder / "names.txt"
    (folder / "whole.tflite").write_bytes(whole)
    assert _label("--classes", str(names), model="whole.tflite", out="whole") == 0
    for row, other in zip(_rows(), _rows("whole"), strict=True):
        assert row["embedding"] == other["embedding"]
    model = open_run("out").manifest.model
    assert (model.classes.as_dict(), model.outputs) == ({"vocabulary": "none"}, "features")
    assert _label("--resume", "--format", format) == 0
    assert open_run("out").manifest.reused == 10
    assert main(["verify", "out"]) == 0
    assert "10 pictures, every column compared" in capsys.readouterr().out


def test_without_classes_each_command_works_or_says_what_is_missing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "own.tflite").write_bytes(vector_network())
    assert _label() == 0
    pictures = sorted((folder / "photos").iterdir())
    with (folder / "own.csv").open("w", encoding="utf-8", newline="") as file:
        lines = [[str(path), "even" if at % 2 else "odd"] for at, path in enumerate(pictures)]
        csv.writer(file).writerows([["uri", "label"], *lines])
    of_labels = [
        ["evaluate", "out", "--truth", "own.csv"],
        ["review", "out", "--budget", "4"],
        *(["export", "out", "--to", to] for to, of in TARGETS.items() if of.needs_labels),
    ]
    capsys.readouterr()
    for words in of_labels:
        assert main(words) == 1
        assert "no classes, it gives feature vectors alone. Teach it some: quantlabel head fit" in (
            capsys.readouterr().err
        )
    others = [
        ["duplicates", "out"],
        ["search", "out", "--like", str(pictures[0]), "-k", "2"],
        ["plan", "--input", "photos", "--model", "own.tflite"],
        ["model", "info", "own.tflite"],
        ["report", "out"],
        *(["export", "out", "--to", to] for to, of in TARGETS.items() if not of.needs_labels),
    ]
    fit = [["head", "fit", "out", "--truth", "own.csv"], ["head", "apply", "out"]]
    for words in [*others, *fit, *of_labels, *others]:
        assert main(words) == 0, (words, capsys.readouterr().err)
    table = pd.read_csv("out/__export/csv/predictions.csv")
    assert set(table["head_label"]) == {"even", "odd"}
    assert table["label"].isna().all()
    for words, message in (
        (["labels", "search", "cat", "--model", "own.tflite"], "model own.tflite: it has no class"),
        (["label", "--label-map", "own.csv"], "--label-map own.csv: the network has no classes"),
        (["label", "--top-k", "3"], "--top-k: expected none: it has no classes, found 3"),
        (["label", "--classes", "names.txt"], "model own: --classes names.txt has 5 classes, the"),
        (
            ["label", "--classes", "names.txt", "--outputs", "features"],
            "model own: it gives feature vectors and no classes; leave out --classes or --outputs",
        ),
    ):
        given = ["--input", "photos", "--output", "x", "--model", "own.tflite", "--quiet"]
        capsys.readouterr()
        assert main([*words, *given] if words[0] == "label" else words) in (1, 2)
        said = capsys.readouterr().err
        assert said.startswith(f"quantlabel: {message}")
        assert said.count("\n") == 1


def test_an_input_that_is_no_square_is_fed_what_it_takes(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tflite = oblong_network(96, 160)
    (folder / "own.tflite").write_bytes(tflite)
    assert _label("--classes", "names.txt") == 0
    manifest = open_run("out").manifest
    assert manifest.preprocess.as_dict()["columns"] == 160
    assert manifest.model.input_in_words == "96x160"
    pictures = [load(Path(row["uri"]).read_bytes(), size=96, columns=160) for row in _rows()]
    assert pictures[0].pixels.shape == (96, 160, 3)
    assert len({row["top_scores"][0] for row in _rows()}) > 1
    for picture, row in zip(pictures, _rows(), strict=True):
        (scores,) = run_tflite(tflite, picture.pixels[None])
        assert row["score"] == scores[0, row["class_id"]] / np.float32(256)
    assert main(["verify", "out"]) == 0
    assert "10 pictures, every column compared" in capsys.readouterr().out
    for words in (
        ["plan", "--input", "photos", "--model", "own.tflite", "--classes", "names.txt"],
        ["report", "out"],
        ["model", "info", "own.tflite"],
    ):
        assert main(words) == 0, (words, capsys.readouterr().err)
    assert load_model("own.tflite", classes="names.txt").expected_image_size == (96, 160)


@pytest.mark.usefixtures("folder")
def test_without_feature_vectors_the_rest_works(capsys: pytest.CaptureFixture[str]) -> None:
    assert _label("--classes", "names.txt", "--embedding-tensor", "none") == 0
    assert {len(row["embedding"]) for row in _rows()} == {0}
    assert main(["verify", "out"]) == 0
    assert main(["report", "out"]) == 0
    capsys.readouterr()
    for words in (["duplicates", "out"], ["search", "out", "--like", "photos"]):
        assert main(words) == 1
        assert "out: its rows have no feature vectors. Label again" in capsys.readouterr().err
