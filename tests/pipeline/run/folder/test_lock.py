from __future__ import annotations

import fcntl
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from deploy.emulator import BUCKET, Cloud
from pipeline.cli import main
from pipeline.run.folder import lock, owner
from tests.helpers.finished_runs import manifest_json
from tests.helpers.runs import start_label, wait_for_pieces
from transforms.errors import UserError
from transforms.storage import files, gcs

THERE: dict[str, Any] = {"host": "elsewhere", "pid": 7, "started": "2026-01-02T03:04:05.000+00:00"}
THERE |= {"runner": None, "beats": 3}


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "BEAT_SECONDS", 0.01)
    monkeypatch.setattr(lock, "WATCH_SECONDS", 1.0)


def _held(folder: Path) -> None:
    with lock.held(str(folder), attempt="_unfinished-a", started="now"):
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
    for path in sorted(photos.glob("x*.jpg"))[50:]:
        path.unlink()
    assert main([*words, "--model", str(stand_in_file), "--resume"]) == 0
    assert sorted(path.name for path in out.iterdir()) == [
        "_MANIFEST.json",
        "_SUCCESS",
        "predictions-00000-of-00001.parquet",
    ]


def test_the_lock_goes_with_the_run_and_with_its_error(tmp_path: Path) -> None:
    _held(tmp_path)
    with (
        pytest.raises(ValueError, match="whatever"),
        lock.held(str(tmp_path), attempt="_unfinished-a", started="now"),
    ):
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
    with lock.held(str(tmp_path), attempt="_unfinished-a", started="now"):
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


@pytest.mark.parametrize(
    ("garbage", "message"),
    [
        (b"{", "damaged, so it does not say"),
        (b"[]", "damaged, so it does not say"),
        (b'{"host": "h"}', "damaged, so it does not say"),
        (b'{"host": 1, "pid": "x", "started": 1, "runner": 1, "beats": []}', "damaged, so it"),
        (b"\xff" * 4000, "damaged, so it does not say"),
        (b"[" * 100_000, "damaged, so it does not say"),
        (b"\0" * 512, None),
    ],
)
def test_garbage_in_the_lock_is_named_in_one_line(
    tmp_path: Path, cloud: Cloud, garbage: bytes, message: str | None
) -> None:
    (tmp_path / "_RUNNING.json").write_bytes(garbage)
    cloud.put("out/_RUNNING.json", garbage)
    for folder in (str(tmp_path), "gs://bkt/out"):
        if message is None:
            with lock.held(folder, attempt="_unfinished-a", started="now"):
                continue
        with (
            pytest.raises(UserError, match=f"{folder}/_RUNNING.json: {message}") as raised,
            lock.held(folder, attempt="_unfinished-a", started="now"),
        ):
            pass
        assert "\n" not in str(raised.value)


_OF_ANOTHER = json.dumps({**THERE, "attempt": "_unfinished-b"}).encode()


def _take_over(path: str) -> None:
    """As another run does that takes this one for dead."""
    if files.is_local(path):
        Path(path).write_bytes(_OF_ANOTHER)  # and does not replace it
    else:
        files.write_bytes(path, _OF_ANOTHER)


@pytest.mark.parametrize("remote", [False, True])
def test_a_run_that_has_lost_its_folder_ends_and_leaves_the_lock_alone(
    tmp_path: Path, cloud: Cloud, remote: bool
) -> None:
    folder = f"gs://{BUCKET}/out" if remote else str(tmp_path)

    def lose() -> None:
        with lock.held(folder, attempt=f"{folder}/_unfinished-a", started="now"):
            _take_over(files.join(folder, "_RUNNING.json"))  # on a slow machine interrupted already
            time.sleep(60)  # is interrupted

    with pytest.raises(UserError, match="taken the folder over, host elsewhere, process 7"):
        lose()
    assert files.read_bytes(files.join(folder, "_RUNNING.json")) == _OF_ANOTHER
    assert cloud.names("out/") == ["out/_RUNNING.json"] * remote


def test_a_run_whose_last_beat_came_late_is_not_released_by_it(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "BEAT_SECONDS", 1e9)
    path = f"gs://{BUCKET}/out/_RUNNING.json"
    with lock.held(f"gs://{BUCKET}/out", attempt="_unfinished-a", started="now"):
        _take_over(path)
    assert cloud.content("out/_RUNNING.json") == _OF_ANOTHER


def test_a_lock_that_is_replaced_while_it_is_read_is_not_taken_for_none(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = cloud.put("out/_RUNNING.json", b"a")
    contents = iter([b"b", b"c"])

    def replaced(path: str) -> Any:
        opened = gcs.open_versioned(path)
        if (content := next(contents, None)) is not None:
            cloud.put("out/_RUNNING.json", content)
        return opened

    monkeypatch.setattr(files, "open_versioned", replaced)
    assert owner.seen(path) == (b"c", cloud.generation("out/_RUNNING.json"))
    contents = itertools.repeat(b"d")
    with pytest.raises(OSError, match="the object changed while it was read"):
        owner.seen(path)


_QUICK = """
from pipeline.run.folder import lock
lock.BEAT_SECONDS, lock.WATCH_SECONDS = 0.05, 1.0
"""


@pytest.mark.parametrize("words", [["--resume"], []])
def test_a_run_that_slept_too_long_does_no_harm_when_it_wakes(
    cloud: Cloud, photos: Path, stand_in_file: Path, words: list[str]
) -> None:
    out = f"gs://{BUCKET}/out"
    sleeper = start_label(photos, out, stand_in_file, copies=3_000, saved_every=0.1, before=_QUICK)
    try:
        while not any(name.endswith(".arrow") for name in cloud.names("out/")):
            assert sleeper.poll() is None
            time.sleep(0.01)
        sleeper.send_signal(signal.SIGSTOP)
        started = json.loads(cloud.content("out/_RUNNING.json"))["started"]
        for path in sorted(photos.glob("x*.jpg"))[50:]:
            path.unlink()
        again = ["label", "--quiet", "--input", str(photos), "--output", out]
        assert main([*again, "--model", str(stand_in_file), *words]) == 0
        before = {name: cloud.content(name) for name in cloud.names("out/")}
        sleeper.send_signal(signal.SIGCONT)
        _, said = sleeper.communicate(timeout=120)
        assert sleeper.returncode == 1
        assert len(said.splitlines()) == 1
    finally:
        sleeper.kill()
        sleeper.communicate()
    markers = {name: cloud.content(name) for name in before}
    assert markers == before
    assert json.loads(before["out/_MANIFEST.json"])["started"] > started
    assert json.loads(before["out/_MANIFEST.json"])["inputs"] == 60


def test_a_folder_that_changes_hands_while_it_is_watched_is_said_to_be_the_new_runs(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.put("out/_RUNNING.json", json.dumps(THERE).encode())
    taken = json.dumps(THERE | {"host": "quick", "beats": 0}).encode()
    monkeypatch.setattr(time, "sleep", lambda _: cloud.put("out/_RUNNING.json", taken))
    with (
        pytest.raises(UserError, match="another run is writing there, host quick, process 7,"),
        lock.held("gs://bkt/out", attempt="b", started="b"),
    ):
        pass


_HOLD = """\
import sys
from pipeline.run.folder import lock
from transforms.storage import files
from transforms.errors import UserError
files.exists("gs://bkt/out/x")  # has connected
print("ready", flush=True)
sys.stdin.readline()
try:
    with lock.held("gs://bkt/out", attempt=sys.argv[1], started=sys.argv[1]):
        print("held", flush=True)
        sys.stdin.readline()
except UserError as error:
    print(error, flush=True)
"""


@pytest.mark.parametrize("left", [False, True])
def test_one_of_several_runs_that_start_together_gets_a_bucket(cloud: Cloud, left: bool) -> None:
    if left:  # by a run that died long ago: all see it silent, and all want its place
        cloud.put("out/_RUNNING.json", json.dumps(THERE).encode())
    # Whoever looks late, on a busy machine, finds the winner alive.
    setting = "from pipeline.run.folder import lock\nlock.BEAT_SECONDS = 0.2\n"
    watch = "lock.WATCH_SECONDS = 2.0\n" if left else ""
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", setting + watch + _HOLD, str(number)],
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
