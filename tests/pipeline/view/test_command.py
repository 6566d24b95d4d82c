"""`quantlabel view`: what it prints, and how it ends."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from pipeline.cli import main
from tests.helpers.contents import contents
from tests.helpers.finished_runs import plausible, write_run


@pytest.fixture
def run(tmp_path: Path) -> Path:
    write_run(tmp_path / "labels", list(plausible(5)), model={"feature_size": 0})
    return tmp_path / "labels"


def test_it_prints_one_address_and_ends_politely(run: Path, tmp_path: Path) -> None:
    before = contents(run)
    wanted = tmp_path / "wanted.csv"
    wanted.write_text("uri\n" + "".join(f"{row.uri}\n" for row in [*plausible(5)][1:4]), "utf-8")
    command = [sys.executable, "-m", "pipeline", "view", str(run), "--uris", str(wanted)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        address = process.stdout.readline().rstrip("\n")
        assert address.startswith("http://127.0.0.1:")
        with urllib.request.urlopen(address, timeout=60) as answer:
            page = answer.read()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (0, "", "Ctrl-C ends it.\n")
    assert b"3 of 5 pictures in labels" in page
    assert contents(run) == before


def test_a_port_that_is_taken_is_named(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert main(["view", str(run), f"--port={port}"]) == 1
    expected = f"--port {port}: Address already in use. Take another, or 0 for one that is free."
    assert capsys.readouterr().err.endswith(f"quantlabel: {expected}\n")


def test_what_is_shown_is_checked_as_for_a_report(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["view", str(run), "--labels", "mine"]) == 2
    assert "--labels: expected one of network, mapped, head" in capsys.readouterr().err
    assert main(["view", str(run), "--labels", "head"]) == 1
    assert "head" in capsys.readouterr().err


def test_without_a_run_there_is_no_page(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["view", "/no/such/folder"]) == 1
    assert "/no/such/folder: no finished run is there" in capsys.readouterr().err
