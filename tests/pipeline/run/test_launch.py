from __future__ import annotations

import pickle
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli import main
from pipeline.models.load import load_network
from pipeline.run import launch
from pipeline.run.options import LabelOptions
from tests.helpers.runs import start_label, wait_for_pieces
from transforms.errors import UserError
from transforms.network.network import Network


def test_an_output_that_cannot_be_written_is_one_line(
    photos: Path, stand_in_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if not Path("/proc/self").exists():
        pytest.skip("no /proc, the folder in which nobody may create anything, on this system")
    words = ["label", "--quiet", "--input", str(photos), "--model", str(stand_in_file)]
    assert main([*words, "--output", "/proc/quantlabel"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("quantlabel: --output /proc/quantlabel: nothing can be written there")
    assert error.count("\n") == 1


def test_verbose_shows_the_traceback(photos: Path, tmp_path: Path) -> None:
    words = ["--input", photos, "--output", tmp_path / "out", "--model", "/no/such.tflite"]
    command = [sys.executable, "-m", "pipeline", "label", "--verbose", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert "Traceback (most recent call last)" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("quantlabel: ")


def test_an_interrupted_run_says_how_to_go_on(
    photos: Path, stand_in_file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    process = start_label(photos, out, stand_in_file, copies=2_000, saved_every=0.1)
    wait_for_pieces(process, out)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.splitlines()[-1] == (
        "quantlabel: interrupted; add --resume to go on where it stopped"
    )
    (attempt,) = out.iterdir()
    assert attempt.name.startswith("_unfinished-")


def test_a_run_that_dies_before_its_first_row_leaves_nothing_behind(
    photos: Path, tmp_path: Path, stand_in_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (photos / "list.csv").write_text("path\na.jpg\n", "utf-8")
    words = ["label", "--quiet", "--input", str(photos), "--input", str(photos / "list.csv")]
    assert main([*words, "--output", str(tmp_path / "out"), "--model", str(stand_in_file)]) == 1
    assert "has no column 'uri'" in capsys.readouterr().err
    assert not list(tmp_path.glob("out/*"))


@pytest.mark.parametrize("runner", ["DirectRunner", "FlinkRunner"])
def test_only_workers_of_this_machine_get_the_model_as_a_file(
    photos: Path, tmp_path: Path, stand_in_file: Path, monkeypatch: pytest.MonkeyPatch, runner: str
) -> None:
    found = []

    def note(*_: Any, model: Network, **__: Any) -> None:
        found.append((model.path, pickle.loads(pickle.dumps(model)).read()))
        raise UserError("seen enough")

    monkeypatch.setattr(launch, "build", note)
    options = LabelOptions(
        inputs=(str(photos),), output=str(tmp_path / "out"), model=str(stand_in_file), runner=runner
    )
    with pytest.raises(UserError, match="seen enough"):
        launch.label(options)
    ((path, content),) = found
    assert content == load_network(str(stand_in_file)).content
    if runner == "DirectRunner":
        assert path is not None
        assert not Path(path).parent.exists()
    else:
        assert path is None


def test_no_room_for_temporary_files_is_one_line_and_leaves_nothing_behind(
    photos: Path,
    tmp_path: Path,
    stand_in_file: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    words = ["label", "--quiet", "--input", str(photos), "--model", str(stand_in_file)]
    assert main([*words, "--output", str(tmp_path / "out")]) == 1
    error = capsys.readouterr().err
    assert error.startswith("quantlabel: a temporary file for the model: ")
    assert "set TMPDIR to a folder with room for" in error
    assert error.count("\n") == 1
    assert not list(tmp_path.glob("out/*"))
