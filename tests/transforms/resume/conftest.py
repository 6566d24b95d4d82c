"""The finished run that the tests resume."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.resumed_runs import Run, first_run


@pytest.fixture
def run(photos: Path, stand_in_file: Path, tmp_path: Path) -> Run:
    return first_run(photos, stand_in_file, tmp_path)
