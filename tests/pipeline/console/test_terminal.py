from __future__ import annotations

import os
import subprocess
import sys

import pytest

from pipeline.console.terminal import only_ours


def test_native_libraries_and_children_are_silent_and_we_are_not(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with only_ours(verbose=False) as stderr:
        os.write(2, b"INFO: Created a delegate\n")
        subprocess.run([sys.executable, "-c", "import sys; sys.stderr.write('child')"], check=True)
        print("ours", file=stderr)
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "ours\nafter\n"


def test_an_error_gives_the_terminal_back(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ZeroDivisionError), only_ours(verbose=False):
        _ = 1 / 0
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "after\n"


def test_verbose_hides_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    with only_ours(verbose=True):
        os.write(2, b"INFO: Created a delegate\n")
    assert capfd.readouterr().err == "INFO: Created a delegate\n"
