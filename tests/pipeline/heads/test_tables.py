"""What a person reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.cli import main


def test_a_person_gets_tables(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["head", "fit", str(run), "--truth", "folders"]) == 0
    out = capsys.readouterr().out
    assert "100.0 % (95 % interval 94.0 to 100.0), 5-fold cross-validation" in out
    assert "33.3 % if everything got the most frequent label" in out
    assert ["ant", "20", "100.0", "100.0"] in [line.split() for line in out.splitlines()]
    assert main(["head", "apply", str(run)]) == 0
    assert "ant (20), bee (20), cat (20)" in capsys.readouterr().out
