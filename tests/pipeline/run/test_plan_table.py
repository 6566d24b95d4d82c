from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from pipeline.cli import main
from pipeline.run.plan_table import print_plan
from tests.helpers.plans import PLAN


def test_a_table_of_80_columns_keeps_its_figures_whole() -> None:
    file = io.StringIO()
    print_plan(PLAN, console=Console(file=file, width=80))
    lines = file.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    (reading,) = (line for line in lines if line.startswith("reading"))
    assert reading.split()[1:4] == ["16.00", "16.02", "16.32"]
    assert "16 of 256 spans listed" in " ".join(lines)
    (arm,) = (line for line in lines if line.startswith("t2a-standard-2 (ARM)"))
    assert len(arm.split()) == 8


def test_the_table_shows_its_arithmetic(
    photos: Path, stand_in_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plan", "--input", str(photos), "--model", str(stand_in_file)]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    for part in ("pictures", "0 of 10 tried", "bytes a row", "vCPU h x 0.056", "(ARM)"):
        assert part in captured.out
