"""A run whose vectors a head can tell apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.finished_runs import write_run
from tests.helpers.head_runs import MODEL, head_rows


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """60 pictures of three kinds, in folders called like them."""
    write_run(tmp_path / "labels", head_rows(60, kinds=3), model=MODEL)
    return tmp_path / "labels"
