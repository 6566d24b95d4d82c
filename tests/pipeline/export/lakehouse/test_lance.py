"""A Lance dataset, read back by its library and by DuckDB."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.cli import main
from pipeline.export.source import Source
from tests.helpers.exports import bring_run, exported, lance_rows

lance = pytest.importorskip("lance", reason="lance (pylance) is not installed")


def _dataset(run: Path) -> Any:
    return lance.dataset(str(run / "__export/lance/predictions.lance"))


def test_the_dataset_holds_the_rows_of_the_run(tmp_path: Path) -> None:
    run = tmp_path / "labels"
    bring_run(run, rows=250)
    assert exported(run, "lance")["rows"] == 250
    tables = [pq.read_table(path) for path in sorted(run.glob("predictions-*.parquet"))]
    expected = pa.concat_tables(tables)
    found = lance_rows(run / "__export/lance")
    assert found.to_pylist() == expected.to_pylist()
    assert found.schema.field("embedding").type == pa.list_(pa.float32(), 256)
    rows = _dataset(run)  # noqa: F841  # DuckDB finds it by its name
    query = "SELECT count(*), min(uri), max(score) FROM rows"
    uris, scores = expected["uri"].to_pylist(), expected["score"].to_pylist()
    assert duckdb.execute(query).fetchall() == [(250, min(uris), max(scores))]
    vector = expected["embedding"][7].as_py()
    nearest = _dataset(run).to_table(nearest={"column": "embedding", "q": vector, "k": 1})
    assert nearest["_distance"].to_pylist() == [0.0]


def test_each_export_is_a_version_and_half_of_one_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "labels"
    bring_run(run, rows=100)
    exported(run, "lance")
    bring_run(run, rows=300)
    predictions = Source.predictions

    def dies(self: Source, **given: Any) -> Any:
        for number, table in enumerate(predictions(self, **given)):
            if number == 2:
                raise KeyboardInterrupt
            yield table

    with monkeypatch.context() as patched:
        patched.setattr(Source, "predictions", dies)
        assert main(["export", str(run), "--to", "lance"]) != 0
    assert (_dataset(run).count_rows(), _dataset(run).version) == (100, 1)
    exported(run, "lance")
    assert (_dataset(run).count_rows(), _dataset(run).version) == (300, 2)
    older = lance.dataset(str(run / "__export/lance/predictions.lance"), version=1)
    assert older.count_rows() == 100
