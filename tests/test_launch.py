from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.cli import main
from tests.pictures import make_pictures


def test_an_output_that_cannot_be_written_is_one_line(
    photos: Path, stand_in_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if not Path("/proc/self").exists():
        pytest.skip("no /proc, the folder in which nobody may create anything, on this system")
    words = ["label", "--quiet", "--input", str(photos), "--model", str(stand_in_file)]
    assert main([*words, "--output", "/proc/quantlabel"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("quantlabel: the run has failed: ")
    assert error.count("\n") == 1
    assert "/proc/quantlabel" in error
    assert "[while running" not in error


def test_verbose_shows_the_traceback(photos: Path, tmp_path: Path) -> None:
    words = ["--input", photos, "--output", tmp_path / "out", "--model", "/no/such.tflite"]
    command = [sys.executable, "-m", "pipeline", "label", "--verbose", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert "Traceback (most recent call last)" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("quantlabel: ")


def test_an_interrupted_run_leaves_nothing_behind(stand_in_file: Path, tmp_path: Path) -> None:
    make_pictures(tmp_path / "photos", count=20)
    for number in range(20_000):
        os.link(tmp_path / f"photos/{number % 20:06d}.jpg", tmp_path / f"photos/x{number}.jpg")
    words = ["--input", tmp_path / "photos", "--output", tmp_path / "out", "--model", stand_in_file]
    command = [sys.executable, "-m", "pipeline", "label", *map(str, words)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    while not list(Path(tmp_path).glob("out/_temporary-*/*")):
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.splitlines()[-1] == "quantlabel: interrupted; no finished run was written"
    assert list((tmp_path / "out").iterdir()) == []
    shutil.rmtree(tmp_path / "photos")
