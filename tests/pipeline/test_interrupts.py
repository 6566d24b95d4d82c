"""Ctrl-C, SIGTERM and closed pipes end a command quietly, and lose nothing that was done."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.process import descendants
from pipeline.cli import main
from pipeline.report import write
from pipeline.run.folder.finished import open_run
from tests.helpers.finished_runs import plausible, write_run
from tests.helpers.runs import start_label, wait_for_pieces
from transforms.rows.reader import read_predictions

_ADVICE = "quantlabel: interrupted; add --resume to go on where it stopped\n"


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the processes of a test put their temporary folders."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


_AT_ROW_200 = """
import os, signal, transforms.rows.stage_rows
stage = transforms.rows.stage_rows._Stage
process, rows = stage.process, []

def counted(self, row):
    rows.append(row)
    if len(rows) == 200:
        os.kill(os.getpid(), signal.{name})
    return process(self, row)

stage.process = counted
"""


@pytest.mark.parametrize(("name", "status"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_run_that_is_asked_to_end_saves_what_it_has(
    photos: Path, stand_in_file: Path, tmp_path: Path, temporary: Path, name: str, status: int
) -> None:
    out = tmp_path / "out"
    # Nothing is saved on the way.
    run = start_label(
        *(photos, out, stand_in_file),
        copies=500,
        saved_every=1e9,
        before=_AT_ROW_200.format(name=name),
    )
    _, said = run.communicate(timeout=120)
    assert (run.returncode, said) == (status, _ADVICE)
    (attempt,) = out.iterdir()
    saved = [
        uri
        for path in attempt.glob("predictions-*.arrow")
        for table in read_predictions(str(path), columns=["uri"])
        for uri in table["uri"].to_pylist()
    ]
    assert 199 <= len(saved) <= 200
    assert list(temporary.iterdir()) == []
    words = ["label", "--quiet", "--input", str(photos), "--output", str(out), "--resume"]
    assert main([*words, "--model", str(stand_in_file)]) == 0
    manifest = open_run(str(out)).manifest
    assert (manifest.inputs, manifest.reused) == (510, len(set(saved)))


def test_worker_processes_end_with_the_run(
    photos: Path, stand_in_file: Path, tmp_path: Path, temporary: Path
) -> None:
    run = start_label(
        *(photos, tmp_path / "out", stand_in_file),
        *("--direct_running_mode=multi_processing", "--direct_num_workers=2"),
        copies=5_000,
        saved_every=0.1,
    )
    wait_for_pieces(run, tmp_path / "out")
    workers = descendants(run.pid)
    run.terminate()
    _, said = run.communicate(timeout=120)
    assert (run.returncode, said) == (143, _ADVICE)
    assert list(temporary.iterdir()) == []
    assert len(workers) >= 2
    assert [pid for pid in workers if Path(f"/proc/{pid}").exists()] == []


def test_worker_processes_that_have_just_begun_end_too(
    photos: Path, stand_in_file: Path, tmp_path: Path, temporary: Path
) -> None:
    run = start_label(
        *(photos, tmp_path / "out", stand_in_file),
        *("--direct_running_mode=multi_processing", "--direct_num_workers=2"),
    )
    while len(workers := descendants(run.pid)) < 2:
        assert run.poll() is None
        time.sleep(0.01)
    run.terminate()
    try:
        _, said = run.communicate(timeout=120)
    finally:
        run.kill()
    assert (run.returncode, said) == (143, "quantlabel: interrupted; nothing was finished\n")
    assert list(temporary.iterdir()) == list((tmp_path / "out").iterdir()) == []
    assert [pid for pid in workers if Path(f"/proc/{pid}").exists()] == []


_SLOW_TO_END = """
import sys, time, pipeline.run.launch

def slow(attempt):
    print("ending", file=sys.__stdout__, flush=True)
    time.sleep(600)

pipeline.run.launch._has_pieces = slow
"""


def test_the_second_signal_ends_a_run_at_once(
    photos: Path, stand_in_file: Path, tmp_path: Path
) -> None:
    before = _AT_ROW_200.format(name="SIGTERM") + _SLOW_TO_END
    run = start_label(
        photos, tmp_path / "out", stand_in_file, copies=500, before=before, stdout=subprocess.PIPE
    )
    assert run.stdout is not None
    assert run.stdout.readline() == "ending\n"
    run.send_signal(signal.SIGINT)
    run.communicate(timeout=60)
    assert run.returncode == -signal.SIGINT


def test_an_interrupt_without_words_says_what_became_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)

    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    monkeypatch.setattr(write, "report", interrupted)
    assert main(["report", str(tmp_path)]) == 143
    assert capsys.readouterr().err == "quantlabel: interrupted; nothing was finished\n"
    now = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    assert now == handlers


def _closed_pipe() -> int:
    reading, writing = os.pipe()
    os.close(reading)
    return writing


def _full() -> int:
    return os.open("/dev/full", os.O_WRONLY)


@pytest.mark.parametrize(
    ("output", "statuses", "said"),
    [(_closed_pipe, {1, 141}, ""), (_full, {1}, "quantlabel: No space left on device\n")],
)
@pytest.mark.parametrize(
    "words",
    [
        ["review", "RUN", "--budget=5"],
        ["duplicates", "RUN"],
        ["export", "RUN", "--to=csv", "--json"],
        ["labels", "search", "dog"],
    ],
)
def test_output_that_nobody_takes_ends_in_no_traceback(
    tmp_path: Path, words: list[str], output: Callable[[], int], statuses: set[int], said: str
) -> None:
    write_run(tmp_path / "run", plausible(30))
    given = [str(tmp_path / "run") if word == "RUN" else word for word in words]
    stdout = output()
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pipeline", *given],
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            timeout=120,
            check=False,
        )
    finally:
        os.close(stdout)
    assert done.stderr == said
    assert done.returncode in statuses
