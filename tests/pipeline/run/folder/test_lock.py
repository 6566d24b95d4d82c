from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli import main
from pipeline.run.folder import lock
from tests.helpers.cloud import Cloud
from tests.helpers.finished_runs import manifest_json
from tests.helpers.runs import start_label, wait_for_pieces
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
    wait_for_pieces(process, out)
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
    finished = manifest_json(started=THERE["started"])
    (tmp_path / "_MANIFEST.json").write_text(json.dumps(finished), "utf-8")
    _held(tmp_path)


_HOLD = """\
import sys
from pipeline.run.folder import lock
from transforms.storage import files
from transforms.errors import UserError
files.exists("gs://bkt/out/x")  # has connected
print("ready", flush=True)
sys.stdin.readline()
try:
    with lock.held("gs://bkt/out", started=sys.argv[1]):
        print("held", flush=True)
        sys.stdin.readline()
except UserError as error:
    print(error, flush=True)
"""


@pytest.mark.parametrize("left", [False, True])
def test_one_of_several_runs_that_start_together_gets_a_bucket(cloud: Cloud, left: bool) -> None:
    if left:  # by a run that died long ago: all see it silent, and all want its place
        cloud.put("out/_RUNNING.json", json.dumps(THERE).encode())
    setting = "from pipeline.run.folder import lock\nlock.WATCH_SECONDS = 1.0\n"
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", setting + _HOLD, str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(3)
    ]
    try:
        for run in runs:
            assert run.stdout is not None
            assert run.stdout.readline() == "ready\n"
        cloud.delay_s = 0.3  # all have looked before the first writes
        for run in runs:
            assert run.stdin is not None
            run.stdin.write("\n")
            run.stdin.flush()
        said = [run.stdout.readline() for run in runs if run.stdout is not None]
        assert sorted(line.partition(" ")[0] for line in said) == ["--output", "--output", "held\n"]
        winner = said.index("held\n")
        assert json.loads(cloud.content("out/_RUNNING.json"))["started"] == str(winner)
        assert all(f"process {runs[winner].pid}, " in line for line in said if line != "held\n")
        cloud.delay_s = 0.0
        runs[winner].communicate("\n", timeout=60)
        assert cloud.names("out/") == []
    finally:
        for run in runs:
            run.kill()
            run.communicate()
