"""Exit statuses and words of the command; `test_interrupts.py` has its signals and its output."""

from __future__ import annotations

import re

import pytest

from pipeline.cli import main
from transforms._version import VERSION
from transforms.kernel import installed


def test_commands_come_in_the_order_of_the_work(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    lines = capsys.readouterr().out.partition("COMMAND\n")[2].split("\n")
    # Further in stands what argparse has wrapped.
    found = [line.split()[0] for line in lines if re.match(r" {4}\S", line)]
    expected = ["label", "plan", "verify", "report", "view", "evaluate", "head"]
    expected += ["duplicates", "search", "review", "export", "labels", "model"]
    assert [word for word in found if word in expected] == expected


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"quantlabel {VERSION}\nkernel  {installed()}\n"


def test_a_flag_of_beam_is_for_commands_that_run_beam(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "labels", "--direct_num_workers=2"]) == 2
    assert capsys.readouterr().err == (
        "quantlabel: --direct_num_workers: no flag of this command; see quantlabel report --help\n"
    )
