from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
from pathlib import Path
from typing import Any

import pytest

from pipeline import lock
from pipeline.cli import main
from tests.runs import start_label, wait_for_parts
from transforms.errors import UserError

THERE: dict[str, Any] = {"host": "elsewhere", "pid": 7, "started": "2026-01-02T03:04:05.000+00:00"}
THERE |= {"runner": None, "beats": 3}


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "BEAT_SECONDS", 0.01)
    monkeypatch.setattr(lock, "WATCH_SECONDS", 1.0)


def _held(folder: Path) -> None:
    with lock.held(str(folder), started="now"):
        content = json.loads((folder / "_RUNNING.json").read_bytes())
        assert (content["host"], content["pid"]) == (socket.gethostname(), os.getpid())


def test_the_second_run_is_told_of_the_first(
    photos: Path, stand_in_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    process = start_label(photos, out, stand_in_file, copies=3_000, saved_every=0.1)
    wait_for_parts(process, out)
    process.send_signal(signal.SIGSTOP)  # no sign of life, but alive
    started = json.loads((out / "_RUNNING.json").read_bytes())["started"]
    words = ["label", "--quiet", "--input", str(photos), "--output", str(out)]
    assert main([*words, "--model", str(stand_in_file), "--resume"]) == 1
    assert (
        f"another run is writing there, host {socket.gethostname()}, process {process.pid}, "
        f"started {started}"
    ) in capsys.readouterr().err
    process.kill()
    process.wait()
    assert (out / "_RUNNING.json").exists()
    assert main([*words, "--model", str(stand_in_file), "--resume"]) == 0
    assert sorted(path.name for path in out.iterdir()) == [
        "_MANIFEST.json",
        "_SUCCESS",
        "predictions-00000-of-00001.parquet",
    ]


def test_the_lock_goes_with_the_run_and_with_its_error(tmp_path: Path) -> None:
    _held(tmp_path)
    with pytest.raises(ValueError, match="whatever"), lock.held(str(tmp_path), started="now"):
        raise ValueError("whatever")
    assert list(tmp_path.iterdir()) == []


def test_a_dead_run_of_this_machine_is_no_obstacle_even_if_its_number_lives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "WATCH_SECONDS", 1e9)
    holder = {**THERE, "host": socket.gethostname(), "pid": 1}
    (tmp_path / "_RUNNING.json").write_text(json.dumps(holder), "utf-8")
    _held(tmp_path)


def test_a_silent_run_of_another_machine_is_taken_for_dead(tmp_path: Path) -> None:
    (tmp_path / "_RUNNING.json").write_text(json.dumps(THERE), "utf-8")
    _held(tmp_path)


def test_a_run_of_another_machine_that_beats_is_alive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What a file system shows that does not carry locks from one machine to the other.
    monkeypatch.setattr(fcntl, "flock", lambda *_: None)
    monkeypatch.setattr(lock, "WATCH_SECONDS", 1e9)
    with lock.held(str(tmp_path), started="now"):
        monkeypatch.setattr(socket, "gethostname", lambda: "another")
        with pytest.raises(UserError, match=f"process {os.getpid()}, started now"):
            _held(tmp_path)


def test_a_job_elsewhere_outlives_its_launcher(tmp_path: Path) -> None:
    holder = {**THERE, "runner": "DataflowRunner"}
    path = tmp_path / "_RUNNING.json"
    path.write_text(json.dumps(holder), "utf-8")
    with pytest.raises(UserError, match="as a job on DataflowRunner, host elsewhere") as raised:
        _held(tmp_path)
    assert f"delete {path}" in str(raised.value)
    (tmp_path / "_MANIFEST.json").write_text(json.dumps({"started": THERE["started"]}), "utf-8")
    _held(tmp_path)
