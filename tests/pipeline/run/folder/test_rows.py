from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pytest

from pipeline.run.folder.rows import LabelledRun, open_run
from tests.helpers.finished_runs import plausible, some_failures, write_run
from tests.helpers.root import ROOT
from transforms.errors import UsageError, UserError
from transforms.rows.schema import FAILURE_SCHEMA, prediction_schema


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> LabelledRun:
    """25 pictures in three shards, and two that failed."""
    folder = tmp_path_factory.mktemp("rows") / "labels"
    write_run(folder, plausible(25), some_failures(2), rows_per_shard=10)
    return open_run(folder)


def test_rows_are_a_table_a_frame_a_stream_and_dictionaries(run: LabelledRun) -> None:
    uris = [row.uri for row in plausible(25)]
    assert len(run.rows) == 25
    assert run.rows.to_arrow().schema.equals(prediction_schema(256))
    assert run.rows.to_arrow()["uri"].to_pylist() == uris
    frame = run.rows.to_pandas(columns=["uri", "embedding"])
    assert list(frame.columns) == ["uri", "embedding"]
    assert np.stack(frame["embedding"]).shape == (25, 256)
    assert [row["uri"] for row in run.rows] == uris
    stream = duckdb.from_arrow(run.rows.batches(columns=["uri"]))
    assert stream.aggregate("count(DISTINCT uri)").fetchall() == [(25,)]


def test_failures_are_rows_too(run: LabelledRun) -> None:
    assert run.failures.to_arrow().schema.equals(FAILURE_SCHEMA)
    assert [row["uri"] for row in run.failures] == [row.uri for row in some_failures(2)]
    assert repr(run.failures) == f"2 failures of {run.folder}"


def test_a_run_without_failures_has_a_table_of_none(tmp_path: Path) -> None:
    write_run(tmp_path / "labels", plausible(1))
    failures = open_run(tmp_path / "labels").failures
    assert failures.to_arrow(columns=["reason"]).to_pydict() == {"reason": []}
    assert list(failures) == []


def test_rows_of_before_a_column_came_are_null_there() -> None:
    for folder in sorted((ROOT / "tests/data/version_0_1_0").glob("*/_MANIFEST.json")):
        run = open_run(folder.parent)
        table = run.rows.to_arrow()
        assert table.num_rows == len(run.rows) > 0
        assert table["colour"].null_count == table.num_rows


def test_an_unknown_column_is_refused(run: LabelledRun) -> None:
    with pytest.raises(UsageError, match=r"^column 'lable': expected one of uri, sha256, "):
        run.rows.to_pandas(columns=["lable"])


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no finished run is there"):
        open_run(tmp_path)
