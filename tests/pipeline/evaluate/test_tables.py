"""What a person reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.cli import main


def test_a_person_gets_tables(run: Path, truth: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(run), "--truth", str(truth)]) == 0
    out = capsys.readouterr().out
    for expected in (
        "40.0 % (95 % interval 11.8 to 76.9), 2 of 5",
        "1 could not be labelled, counted as misses",
        "2 without truth, such as /p/unknown.jpg",
        "1 of the truth without row, such as gone.jpg",
        "mean 60.0 where 50.0 % are right",
    ):
        assert expected in out
    assert ["goldfish", "(2)", "tench", "(1)", "2"] in [line.split() for line in out.splitlines()]
