"""A table of Apache Iceberg, read back by pyiceberg, and its files by DuckDB."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.cli import main
from pipeline.export.lakehouse import iceberg
from tests.helpers.exports import bring_run, exported, iceberg_table

pytest.importorskip("pyiceberg", reason="pyiceberg is not installed")


def _rows(run: Path) -> pa.Table:
    tables = [pq.read_table(path) for path in sorted(run.glob("predictions-*.parquet"))]
    return pa.concat_tables(tables).sort_by("uri")


def _table(run: Path) -> Any:
    return iceberg_table(run / "__export/iceberg")


def _shown(run: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = _table(run).scan().to_arrow().sort_by("uri").to_pylist()
    return rows


def _in_duckdb(run: Path) -> list[tuple[Any, ...]]:
    paths = [task.file.file_path for task in _table(run).scan().plan_files()]
    query = "SELECT uri, class_id, score, embedding[2] FROM read_parquet($1) ORDER BY uri"
    return duckdb.connect().execute(query, [paths]).fetchall()


def test_the_table_shows_the_rows_of_the_run(tmp_path: Path) -> None:
    run = tmp_path / "labels"
    bring_run(run, rows=250)
    assert exported(run, "iceberg")["rows"] == 250
    rows = _rows(run).to_pylist()
    assert _shown(run) == rows
    assert _in_duckdb(run) == [
        (row["uri"], row["class_id"], row["score"], row["embedding"][1]) for row in rows
    ]
    assert [field.name for field in _table(run).schema().fields] == _rows(run).schema.names
    # Links, not copies, and they stay what they are when the run's own files are replaced.
    (first, *_) = run.glob("predictions-*.parquet")
    assert first.stat().st_nlink == 2


def test_each_change_is_one_snapshot_and_no_change_is_none(tmp_path: Path) -> None:
    run = tmp_path / "labels"
    bring_run(run, rows=250)
    exported(run, "iceberg")
    exported(run, "iceberg")
    (first,) = _table(run).snapshots()
    bring_run(run, rows=320)
    assert exported(run, "iceberg")["rows"] == 320
    assert [each.snapshot_id for each in _table(run).snapshots()][:-1] == [first.snapshot_id]
    assert _shown(run) == _rows(run).to_pylist()
    before = _table(run).scan(snapshot_id=first.snapshot_id).to_arrow()
    assert before.num_rows == 250


def test_an_export_that_is_broken_off_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "labels"
    bring_run(run, rows=100)
    exported(run, "iceberg")
    bring_run(run, rows=450)
    copied: list[str] = []
    copy = iceberg._copy

    def dies(path: str, target: str) -> None:
        if len(copied) == 2:
            raise KeyboardInterrupt
        copied.append(target)
        copy(path, target)

    with monkeypatch.context() as patched:
        patched.setattr(iceberg, "_copy", dies)
        assert main(["export", str(run), "--to", "iceberg"]) == 130
    assert _table(run).scan().to_arrow().num_rows == 100
    assert len(_table(run).snapshots()) == 1
    assert exported(run, "iceberg")["rows"] == 450
    assert len(_table(run).snapshots()) == 2
    assert _shown(run) == _rows(run).to_pylist()


def test_some_pictures_and_rows_of_other_formats_are_written_anew(tmp_path: Path) -> None:
    run = tmp_path / "labels"
    bring_run(run, rows=250)
    wanted = [row["uri"] for row in _rows(run).to_pylist()][::100]
    (tmp_path / "some.csv").write_text("uri\n" + "".join(f"{uri}\n" for uri in wanted), "utf-8")
    some = ["--uris", str(tmp_path / "some.csv")]
    assert main(["export", str(run), "--to", "iceberg", *some]) == 0
    assert [row["uri"] for row in _shown(run)] == wanted
    assert not list((run / "__export/iceberg").rglob("new-*"))


def test_a_catalogue_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pyiceberg.catalog import load_catalog

    (tmp_path / "house").mkdir()
    settings = {"URI": f"sqlite:///{tmp_path}/own.db", "WAREHOUSE": str(tmp_path / "house")}
    for name, value in {**settings, "TYPE": "sql", "TABLE": "animals.seen"}.items():
        monkeypatch.setenv(f"PYICEBERG_CATALOG__QUANTLABEL__{name}", value)
    for name, status in (("one", 0), ("other", 1)):
        bring_run(tmp_path / name, rows=3)
        assert main(["export", str(tmp_path / name), "--to", "iceberg"]) == status
    theirs = {key.lower(): value for key, value in settings.items()}
    table = load_catalog("quantlabel", type="sql", **theirs).load_table("animals.seen")
    assert table.scan().to_arrow().num_rows == 3
    assert table.location().startswith(str(tmp_path / "house"))


def test_copying_pictures_makes_no_sense(tmp_path: Path) -> None:
    bring_run(tmp_path / "labels", rows=3)
    words = ["--to", "iceberg", "--copy-pictures"]
    assert main(["export", str(tmp_path / "labels"), *words]) == 2
