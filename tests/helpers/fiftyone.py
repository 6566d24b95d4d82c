"""Exports in FiftyOne itself, where there is one."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.helpers.exports import exported

_OPEN = """
import json, sys
import fiftyone
rows = fiftyone.Dataset.from_dir(
    sys.argv[1],
    fiftyone.types.FiftyOneImageClassificationDataset,
    data_path="data.json",
    label_field="guess",
    progress=False,
)
"""


def python_with_fiftyone() -> str:
    """A Python that has FiftyOne; skips the test where `QUANTLABEL_FIFTYONE` names none."""
    python = os.environ.get("QUANTLABEL_FIFTYONE")
    if not python:
        pytest.skip("no Python with fiftyone (QUANTLABEL_FIFTYONE); see docs/commands/export.md")
    return python


def in_fiftyone(run: Path, script: str, *words: str) -> str:
    """Exports a run, opens it in FiftyOne and goes on with a script.

    Args:
        run: the finished run.
        script: finds the export as `rows`.
        words: what it finds in `sys.argv[2:]`.

    Returns:
        What it prints.
    """
    python = python_with_fiftyone()
    exported(run, "fiftyone")
    done = subprocess.run(
        [python, "-c", _OPEN + script, str(run / "__export/fiftyone"), *words],
        capture_output=True,
        text=True,
        cwd=run.parent,
        env={**os.environ, "FIFTYONE_DO_NOT_TRACK": "true", "PYTHONPATH": ""},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
