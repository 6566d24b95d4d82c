"""The file of a head."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.cli import main
from pipeline.heads.head import Head, read_head, vectors_of, write_head
from pipeline.run.folder.finished import open_run
from transforms.errors import UserError


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
