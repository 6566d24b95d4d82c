"""`quantlabel head apply`: which runs a head fits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline.cli import main
from tests.helpers.finished_runs import write_run
from tests.helpers.head_runs import MODEL, head_json, head_rows, labelled_rows


def test_a_head_fits_another_run_of_the_same_vectors_only(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    head = tmp_path / "own.npz"
    head_json(capsys, "head", "fit", run, "--truth", "folders", "--output", head)
    assert not (run / "__head").exists()
    rows = head_rows(6, kinds=3)
    write_run(tmp_path / "same", rows, model=MODEL)
    assert head_json(capsys, "head", "apply", tmp_path / "same", "--head", head)["rows"] == 6
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
        assert not (tmp_path / str(at) / "__head").exists()


def test_applying_again_leaves_nothing_of_before(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    head_json(capsys, "head", "fit", run, "--truth", "folders")
    (run / "__head/predictions-00007-of-00009.parquet").write_bytes(b"old")
    first = head_json(capsys, "head", "apply", run)
    assert len(labelled_rows(run)) == 60
    second = head_json(capsys, "head", "apply", run)
    assert {**first, "finished": 0} == {**second, "finished": 0}
    assert (run / "__head/_SUCCESS").exists()
