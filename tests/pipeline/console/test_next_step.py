"""The line with the command to try next."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli import _parser
from pipeline.console.next_step import NEXT
from tests.helpers.finished_runs import write_run
from tests.helpers.rows import prediction


def _commands(parser: Any, name: str = "") -> Iterator[str]:
    groups = [action for action in parser._actions if isinstance(action.choices, dict)]
    for group in groups:
        for word, child in group.choices.items():
            yield from _commands(child, f"{name} {word}".strip())
    if not groups:
        yield name


def test_every_command_has_a_next_one() -> None:
    assert sorted(_commands(_parser())) == sorted(NEXT)


def _on_a_terminal(*words: str) -> str:
    """What a person sees."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "pipeline", *words]
    with subprocess.Popen(command, stdout=theirs, stderr=subprocess.DEVNULL) as process:
        os.close(theirs)
        seen = b""
        while True:
            try:
                read = os.read(ours, 4096)
            except OSError:  # Linux's word for the end of a terminal
                break
            if not read:
                break
            seen += read
    os.close(ours)
    assert process.returncode == 0
    return seen.decode()


@pytest.fixture
def run(tmp_path: Path) -> Path:
    write_run(tmp_path / "my labels", [prediction(1)])
    return tmp_path / "my labels"


def test_it_is_shown_to_people_and_to_nobody_else(run: Path) -> None:
    words = ("export", str(run), "--to", "csv")
    assert _on_a_terminal(*words).endswith(f"next: quantlabel verify '{run}'\r\n")
    assert "next:" not in _on_a_terminal(*words, "--json")
    piped = subprocess.run(
        [sys.executable, "-m", "pipeline", *words], capture_output=True, text=True, check=True
    )
    assert "next:" not in piped.stdout
