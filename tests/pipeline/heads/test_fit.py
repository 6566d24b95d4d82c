"""`quantlabel head`: labels of one's own, learned from the vectors of a run."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from sklearn.linear_model import LogisticRegression

from pipeline.cli import main
from pipeline.heads.head import Head, read_head, vectors_of, write_head
from pipeline.run.folder.finished import open_run
from tests.helpers.finished_runs import write_run
from tests.helpers.head_runs import MODEL, NAMES, head_rows
from tests.helpers.rows import prediction
from transforms.errors import UserError
from transforms.network.wordnet import synsets


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """60 pictures of three kinds, in folders called like them."""
    write_run(tmp_path / "labels", head_rows(60, kinds=3), model=MODEL)
    return tmp_path / "labels"


def _json(capsys: pytest.CaptureFixture[str], *words: object) -> Any:
    assert main([*map(str, words), "--json"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    return json.loads(captured.out)


def _applied(folder: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for path in sorted((folder / "head").glob("predictions-*.parquet")):
        rows += pq.read_table(path).to_pylist()
    return rows


@pytest.mark.parametrize("kinds", [2, 3])
def test_labels_are_learned_from_some_and_given_to_all(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kinds: int
) -> None:
    folder, truth = tmp_path / "labels", tmp_path / "truth.csv"
    rows = head_rows(60, kinds=kinds)
    write_run(folder, rows, model=MODEL)
    known = "".join(f"{at:03d}.jpg,{NAMES[at % kinds]}\n" for at in range(60) if at % 7 < 3)
    truth.write_text(f"file,label\n{known}gone.jpg,ant\ngone too.jpg,dodo\n", "utf-8")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    fitted = _json(capsys, "head", "fit", folder, "--truth", truth)
    assert fitted["rows"] == {
        "with_truth": 27,
        "truth_unused": 2,
        "truth_unused_examples": ["gone.jpg", "gone too.jpg"],
    }
    assert (fitted["accuracy"]["hits"], fitted["folds"]) == (27, 5)
    applied = _json(capsys, "head", "apply", folder)
    assert applied["labels"] == dict.fromkeys(NAMES[:kinds], 60 // kinds)
    labelled = _applied(folder)
    assert [(row["uri"], row["label"]) for row in labelled] == [
        (row.uri, row.uri.split("/")[2]) for row in rows
    ]
    for row in labelled:
        assert (row["label"], row["score"]) == (row["top_labels"][0], row["top_scores"][0])
        assert sorted(row["top_labels"]) == list(NAMES[:kinds])
        assert sum(row["top_scores"]) == pytest.approx(1, abs=1e-5)
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()} == before


@pytest.mark.parametrize("kinds", [2, 3])
def test_scores_are_those_of_scikit_learn(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kinds: int
) -> None:
    rows = head_rows(60, kinds=kinds)
    write_run(tmp_path / "labels", rows, model=MODEL)
    _json(capsys, "head", "fit", tmp_path / "labels", "--truth", "folders")
    vectors = np.stack([row.embedding for row in rows])
    names = [row.uri.split("/")[2] for row in rows]
    regression = LogisticRegression(C=0.1, max_iter=2000, tol=1e-8)
    expected = regression.fit(vectors.astype(float), names).predict_proba(vectors)
    head = read_head(str(tmp_path / "labels/head/head.npz"))
    assert head.labels == NAMES[:kinds]
    np.testing.assert_allclose(head.scores(vectors), expected, atol=5e-4)


def test_figures_are_those_of_pictures_not_learned_from(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Labels without any sense can be learned by heart from 256 numbers, and not foretold."""
    random = np.random.RandomState(1)
    rows = [
        prediction(at, uri=f"/p/{NAMES[random.randint(2)]}/{at}.jpg")._replace(
            embedding=random.uniform(size=256).astype(np.float32)
        )
        for at in range(200)
    ]
    write_run(tmp_path / "labels", rows, model=MODEL)
    fitted = _json(capsys, "head", "fit", tmp_path / "labels", "--truth", "folders")
    assert fitted["accuracy"]["share"] < 0.65
    assert sum(each["truth"] for each in fitted["by_label"]) == 200
    wrong = 200 - fitted["accuracy"]["hits"]
    assert sum(pair["rows"] for pair in fitted["confused"]) == wrong


def test_a_head_fits_another_run_of_the_same_vectors_only(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    head = tmp_path / "own.npz"
    _json(capsys, "head", "fit", run, "--truth", "folders", "--output", head)
    assert not (run / "head").exists()
    rows = head_rows(6, kinds=3)
    write_run(tmp_path / "same", rows, model=MODEL)
    assert _json(capsys, "head", "apply", tmp_path / "same", "--head", head)["rows"] == 6
    others: dict[str, dict[str, Any]] = {
        "model cdcd": {"model": {**MODEL, "sha256": "cd" * 32}},
        "kind savedmodel": {"model": {**MODEL, "kind": "savedmodel"}},
        "'views': 2": {"model": MODEL, "preprocess": {"method": "eval", "size": 128, "views": 2}},
    }
    for at, (expected, manifest) in enumerate(others.items()):
        write_run(tmp_path / str(at), rows, **manifest)
        assert main(["head", "apply", str(tmp_path / str(at)), "--head", str(head)]) == 1
        message = capsys.readouterr().err
        assert "the head was fitted on other vectors" in message
        assert expected in message
        assert not (tmp_path / str(at) / "head").exists()


def test_applying_again_leaves_nothing_of_before(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _json(capsys, "head", "fit", run, "--truth", "folders")
    (run / "head/predictions-00007-of-00009.parquet").write_bytes(b"old")
    first = _json(capsys, "head", "apply", run)
    assert len(_applied(run)) == 60
    second = _json(capsys, "head", "apply", run)
    assert {**first, "finished": 0} == {**second, "finished": 0}
    assert (run / "head/_SUCCESS").exists()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("file,label\n000.jpg,ant\n003.jpg,ant\n", "tells at least two labels apart"),
        ("file,label\nz.jpg,ant\n", "the truth gives 0 to the pictures of the run"),
        ("file,label\n000.jpg,a\n003.jpg,a\n001.jpg,b\n", "only one picture of the run is 'b'"),
        ("file,class_id\n000.jpg,1\n", "line 2: expected a column label"),
    ],
)
def test_too_little_truth_is_refused(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, expected: str
) -> None:
    (tmp_path / "t.csv").write_text(text, "utf-8")
    assert main(["head", "fit", str(run), "--truth", str(tmp_path / "t.csv")]) == 1
    message = capsys.readouterr().err
    assert expected in message
    assert message.count("\n") == 1
    assert not (run / "head").exists()


def test_a_file_that_is_no_head_is_refused(run: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.npz"
    np.savez(other, weights=np.zeros(3))
    (tmp_path / "text.npz").write_text("hello", "utf-8")
    (tmp_path / "empty.npz").touch()
    for name, expected in (
        ("none.npz", "no head is there"),
        ("other.npz", "not a head"),
        ("text.npz", "not a head"),
        ("empty.npz", "not a head"),
    ):
        with pytest.raises(UserError, match=expected):
            read_head(str(tmp_path / name))
    about = {"vectors": vectors_of(open_run(str(run)))}
    zeros = np.zeros((256, 2), np.float32)
    write_head(str(other), Head(("é", "b"), zeros, zeros[0], about))
    assert read_head(str(other)).labels == ("é", "b")


_GOOD: dict[str, Any] = {
    "weights": np.zeros((256, 2), np.float32),
    "bias": np.zeros(2, np.float32),
    "about": np.array(
        '{"labels": ["a", "b"], "vectors": {"model": "m", "kind": "k", "preprocess": {}}}'
    ),
}


@pytest.mark.parametrize(
    "changed",
    [
        {"bias": None},
        {"weights": None},
        {"about": None},
        {"weights": np.full((256, 2), np.nan, np.float32)},
        {"bias": np.array([0, np.inf], np.float32)},
        {"weights": np.zeros((256, 3), np.float32)},
        {"weights": np.zeros(256, np.float32)},
        {"weights": np.zeros((256, 2, 1), np.float32)},
        {"weights": np.zeros((256, 2), "U1")},
        {"weights": np.zeros((256, 2), object)},
        {"bias": np.zeros((2, 1), np.float32)},
        {"bias": np.zeros(2, complex)},
        {"about": np.array("[]")},
        {"about": np.array('"labels"')},
        {"about": np.array("{")},
        {"about": np.array("[" * 100_000)},
        {"about": np.array({"labels": ["a", "b"]}, object)},
        {"about": np.array('{"labels": ["a", "b"]}')},
        {"about": np.array('{"labels": ["a", "b"], "vectors": {"model": "m"}}')},
        {"about": np.array('{"labels": ["a", "b"], "vectors": ["model"]}')},
        {"about": np.array(str(_GOOD["about"]).replace('"b"', '"a"'))},
        {"about": np.array(str(_GOOD["about"]).replace('"b"', "7"))},
        {"about": np.array(str(_GOOD["about"]).replace('["a", "b"]', '"ab"'))},
        {"about": np.array(str(_GOOD["about"]).replace('["a", "b"]', "2"))},
    ],
)
def test_an_odd_head_is_one_line(
    run: Path, tmp_path: Path, changed: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    arrays = {name: value for name, value in {**_GOOD, **changed}.items() if value is not None}
    path = tmp_path / "odd.npz"
    np.savez(path, **arrays)
    assert main(["head", "apply", str(run), "--head", str(path)]) == 1
    expected = f"{path}: not a head that quantlabel head fit wrote. Fit it again."
    assert capsys.readouterr().err == f"quantlabel: {expected}\n"


def test_a_head_for_vectors_of_another_length_is_one_line(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "short.npz"
    about = {"vectors": vectors_of(open_run(str(run)))}
    zeros = np.zeros((128, 2), np.float32)
    write_head(str(path), Head(("a", "b"), zeros, zeros[0], about))
    assert main(["head", "apply", str(run), "--head", str(path)]) == 1
    error = capsys.readouterr().err
    assert "the head takes vectors of 128 numbers, those of this run have 256" in error
    assert error.count("\n") == 1


def test_an_array_that_is_no_archive_is_no_head(tmp_path: Path) -> None:
    np.save(tmp_path / "head.npy", np.zeros(3))
    with pytest.raises(UserError, match="not a head"):
        read_head(str(tmp_path / "head.npy"))


def test_a_person_gets_tables(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["head", "fit", str(run), "--truth", "folders"]) == 0
    out = capsys.readouterr().out
    assert "100.0 % (95 % interval 94.0 to 100.0), 5-fold cross-validation" in out
    assert "33.3 % if everything got the most frequent label" in out
    assert ["ant", "20", "100.0", "100.0"] in [line.split() for line in out.splitlines()]
    assert main(["head", "apply", str(run)]) == 0
    assert "ant (20), bee (20), cat (20)" in capsys.readouterr().out


def test_photographs_are_told_apart_by_their_vectors(
    shared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    animals, dogs = (set(synsets()[each].class_ids) for each in ("n00015388", "n02084071"))
    with (shared / "images/ilsvrc/truth.csv").open(encoding="utf-8", newline="") as file:
        classes = {row["file"]: int(row["class_id"]) for row in csv.DictReader(file)}
    truth = tmp_path / "truth.csv"
    lines = [
        f"{name},{'dog' if at in dogs else 'other animal' if at in animals else 'thing'}\n"
        for name, at in classes.items()
    ]
    truth.write_text("file,label\n" + "".join(lines), "utf-8")
    words = ["--input", shared / "images/ilsvrc", "--output", tmp_path / "out", "--quiet"]
    words += ["--model", shared / "models/mobilenet_v1_0.25_128_quant.tflite"]
    assert main(["label", *map(str, words)]) == 0
    fitted = _json(capsys, "head", "fit", tmp_path / "out", "--truth", truth)
    assert fitted["largest_label"]["hits"] == 120
    assert 170 <= fitted["accuracy"]["hits"] <= 182  # 176 here; other builds may round otherwise
