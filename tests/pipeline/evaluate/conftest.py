"""A small run and the truth of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.evaluations import GOLDFISH, SHARK, TENCH
from tests.helpers.finished_runs import write_run
from tests.helpers.rows import failed, labelled


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Four predictions with truth, one without, and two failures, one of them with truth."""
    folder = tmp_path / "labels"
    rest = {10: 0.01, 11: 0.01, 12: 0.01}
    rows = [
        labelled("/p/a.jpg", {TENCH: 0.9, GOLDFISH: 0.05, **rest}),
        labelled("/p/b.jpg", {TENCH: 0.7, GOLDFISH: 0.2, **rest}),
        labelled("/p/c.jpg", {GOLDFISH: 0.6, TENCH: 0.3, **rest}),
        labelled("/p/d.jpg", {TENCH: 0.2, 13: 0.1, **rest}),
        labelled("/p/unknown.jpg", {SHARK: 0.9, TENCH: 0.05, **rest}),
    ]
    broken = [failed(0)._replace(uri="/p/e.jpg"), failed(1)._replace(uri="/p/f.jpg")]
    write_run(folder, rows, broken, rows_per_shard=2)
    return folder


TRUTH = "file,class_id\na.jpg,1\nb.jpg,2\nc.jpg,2\nd.jpg,2\ne.jpg,3\ngone.jpg,3\n"


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    path = tmp_path / "truth.csv"
    path.write_text(TRUTH, "utf-8")
    return path
