from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.cli import main
from pipeline.report.duplicates import near_identical
from pipeline.run.folder.finished import open_run
from tests.helpers.finished_runs import write_run
from tests.helpers.rows import prediction
from transforms.inputs.archives.parquet import parquet_content
from transforms.records import Prediction


def _row(number: int, vector: list[float], **others: Any) -> Prediction:
    embedding = np.zeros(256, np.float32)
    embedding[: len(vector)] = vector
    return prediction(number)._replace(embedding=embedding, **others)


ROWS = [
    _row(1, [0, 1]),
    _row(2, [3, 4], width=2000),
    _row(3, [0, 0, 5], sha256="c" * 64, size=10),
    _row(4, [6, 8, 1], width=1000),
    _row(5, [0, 0, 5], sha256="c" * 64, size=10),
    _row(6, [1, 0]),
]


def _names(rows: list[int]) -> list[str]:
    return [f"/photos/{number:06d}.jpg" for number in rows]


def test_groups_are_written_with_the_best_picture_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    write_run(run, ROWS)
    before = sorted(path.name for path in run.iterdir())
    assert main(["duplicates", str(run), "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    counts = ("pictures", "groups", "in_groups", "identical", "could_go", "look_alike", "threshold")
    assert [summary[name] for name in counts] == [6, 2, 4, 2, 1, 1, 0.95]
    assert parquet_content(str(run / "__duplicates/groups.parquet"), image_key=None) == "results"
    table = pq.read_table(run / "__duplicates/groups.parquet").to_pylist()
    assert [row["uri"] for row in table] == _names([2, 4, 5, 3])
    assert [row["group"] for row in table] == [0, 0, 1, 1]
    assert [row["keep"] for row in table] == [True, False, True, False]
    assert [row["identical"] for row in table] == [False, False, True, True]
    assert json.loads((run / "__duplicates/summary.json").read_text("utf-8")) == summary
    assert sorted(path.name for path in run.iterdir()) == sorted([*before, "__duplicates"])


def test_pages_with_little_in_them_are_not_told_to_go(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = {"width": 2480, "height": 3508, "size": 100_000}
    rows = [_row(at, [1, 0.001 * at], **page) for at in range(12)]
    white = [_row(12 + at, [1, 0.1], **page, sha256="a" * 64) for at in range(2)]
    photos = [_row(14 + at, [1, 0.2], width=900, height=600, size=90_000) for at in range(2)]
    write_run(tmp_path / "run", [*rows, *white, *photos])
    assert main(["duplicates", str(tmp_path / "run"), "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    counts = ("groups", "could_go", "look_alike", "compared_by_bytes")
    assert [summary[name] for name in counts] == [2, 1, 1, 14]
    assert main(["duplicates", str(tmp_path / "run")]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "could go 1, of which the same bytes stay" in said
    assert "look first 1 more only look alike" in said
    assert "kept apart 14 with little in them, such as blank pages" in said


def test_the_report_shows_the_groups_of_this_very_run(tmp_path: Path) -> None:
    run = tmp_path / "run"
    write_run(run, ROWS)
    opened = open_run(str(run))

    def tables() -> Iterable[pa.Table]:
        return opened.predictions(columns=["uri", "label"])

    assert near_identical(opened, tables) is None
    assert main(["duplicates", str(run)]) == 0
    found = near_identical(opened, tables)
    assert found is not None
    assert (found.groups, found.pictures) == (2, 4)
    assert [group.count for group in found.shown] == [2, 2]
    assert [[row["uri"] for row in group.rows] for group in found.shown] == [
        _names([2, 4]),
        _names([5, 3]),
    ]
    assert main(["report", str(run)]) == 0
    page = (run / "__report/index.html").read_text("utf-8")
    assert "4 pictures in 2 groups: the same or nearly the same (cosine of 0.95 or more)" in page
    later = dataclasses.replace(opened.manifest, started="2027-01-01T00:00:00.000+00:00")
    assert near_identical(dataclasses.replace(opened, manifest=later), tables) is None


def test_a_run_without_duplicates_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run(tmp_path / "run", [ROWS[0], ROWS[5]])
    assert main(["duplicates", str(tmp_path / "run")]) == 0
    assert "0 of pictures that are alike" in " ".join(capsys.readouterr().out.split())
    assert pq.read_table(tmp_path / "run/__duplicates/groups.parquet").num_rows == 0


@pytest.mark.parametrize("threshold", ["0", "1.1", "nan"])
def test_a_threshold_that_is_no_cosine_is_refused(
    tmp_path: Path, threshold: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["duplicates", str(tmp_path), "--threshold", threshold]) == 2
    assert "--threshold: expected a cosine" in capsys.readouterr().err
