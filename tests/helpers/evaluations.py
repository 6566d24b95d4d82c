"""What `quantlabel evaluate` says of a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli import main

TENCH, GOLDFISH, SHARK = 1, 2, 3


def evaluated(capsys: pytest.CaptureFixture[str], folder: Path, truth: object) -> dict[str, Any]:
    assert main(["evaluate", str(folder), "--truth", str(truth), "--json"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    result: dict[str, Any] = json.loads(captured.out)
    written = (folder / "__evaluation/evaluation.json").read_text("utf-8")
    assert json.loads(written) == result
    return result
