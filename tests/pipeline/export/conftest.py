"""Finished runs that the tests of every target export."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from tests.helpers.exports import NAMES, row
from tests.helpers.finished_runs import plausible, some_failures, write_run
from tests.helpers.pictures import make_pictures


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Three local pictures, one in a bucket, one inside an archive; both cranes; two failures."""
    make_pictures(tmp_path / "photos", count=3)
    rows = []
    for number, name in enumerate(NAMES):
        path = tmp_path / "photos" / name
        (tmp_path / f"photos/{number:06d}.jpg").rename(path)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        rows.append(row(str(path), number, [[135, 518], [518, 135], [1, 2]][number], 0.9, digest))
    rows[1] = rows[1]._replace(score=0.25)
    rows.append(row("gs://bucket/d e#f%20.jpg", 3, [2, 1], 0.5))
    rows.append(row("/data/shard-0.tar#dir/g#h.jpg", 4, [1, 2], 0.1))
    write_run(tmp_path / "labels", rows, some_failures(2))
    return tmp_path / "labels"


@pytest.fixture
def mapped(tmp_path: Path) -> Path:
    """A fish, a picture below the threshold of the label map and a bird."""
    make_pictures(tmp_path / "photos", count=3)
    paths = sorted((tmp_path / "photos").iterdir())
    labels, scores = ("fish", None, "bird"), (0.75, 0.125, 0.5)
    rows = [
        row._replace(uri=str(path), mapped_label=label, mapped_score=score, score=1 - score)
        for row, path, label, score in zip(plausible(3), paths, labels, scores, strict=True)
    ]
    own = {"threshold": 0.25, "labels": {"fish": [1, 2], "cat": [282], "bird": [8]}}
    write_run(tmp_path / "labels", rows, label_map=own)
    return tmp_path / "labels"
