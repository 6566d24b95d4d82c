"""A table of everything that was listed."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from pipeline.cli import main
from tests.helpers.archives import write_tar, write_zip
from tests.helpers.exports import exported
from tests.helpers.finished_runs import write_run
from tests.helpers.root import ROOT
from tests.helpers.rows import prediction
from transforms.inputs.archives.parquet import parquet_content
from transforms.records import Failure


def test_the_ledger_names_every_listed_thing_and_joins_with_an_inventory(tmp_path: Path) -> None:
    folder = tmp_path / "input"
    folder.mkdir()
    (folder / "notes.odd").touch()
    rows = [
        prediction(number, uri=f"gs://photos/{number}.jpg")._replace(size=10 + number, version="7")
        for number in range(5)
    ]
    failed = [
        Failure("gs://photos/a.jpg", "decode", "truncated", "it ends early", False, 99, "8"),
        Failure("gs://photos/b.jpg", "read", "not_found", "no such object", False),
    ]
    run = tmp_path / "labels"
    write_run(run, rows, failed, rows_per_shard=3, skipped=3, options={"inputs": [str(folder)]})
    summary = exported(run, "ledger")
    assert (summary["rows"], summary["left_out"]) == (8, 2)
    ledger = str(run / "__export/ledger/ledger.parquet")
    assert parquet_content(ledger, image_key=None) == "results"
    assert duckdb.connect().execute(f"SELECT * FROM '{ledger}' ORDER BY uri").fetchall() == [
        (f"{folder}/notes.odd", None, None, "skipped", "other", None),
        *(
            (
                f"gs://photos/{number}.jpg",
                "7",
                10 + number,
                "prediction",
                None,
                f"predictions-0000{number // 3}-of-00002.parquet",
            )
            for number in range(5)
        ),
        (
            "gs://photos/a.jpg",
            "8",
            99,
            "failure",
            "truncated",
            "__failures/failures-00000-of-00001.jsonl",
        ),
        (
            "gs://photos/b.jpg",
            None,
            None,
            "failure",
            "not_found",
            "__failures/failures-00000-of-00001.jsonl",
        ),
    ]
    names = ["0", "1", "a", "c"]
    inventory = "name,generation\n" + "".join(f"{name}.jpg,7\n" for name in names)
    (tmp_path / "inventory.csv").write_text(inventory)
    page = (ROOT / "docs/commands/export.md").read_text("utf-8")
    query = page.partition("<!-- ledger -->\n```sql\n")[2].partition("```")[0]
    query = query.replace("'inventory.csv'", f"'{tmp_path}/inventory.csv'")
    query = query.replace("'labels/", f"'{run}/")
    assert sorted(duckdb.connect().execute(query).fetchall()) == [
        ("a.jpg", 7, "8", "failure"),
        ("c.jpg", 7, None, None),
    ]


def test_a_run_that_skipped_nothing_needs_its_inputs_no_more(tmp_path: Path) -> None:
    write_run(tmp_path / "run", [prediction(1)], options={"inputs": ["/no/such/folder"]})
    assert exported(tmp_path / "run", "ledger")["rows"] == 1


def test_skips_that_the_run_has_not_counted_are_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "input"
    folder.mkdir()
    for name in ("a.odd", "b.odd", "c.odd"):
        (folder / name).touch()
    run = tmp_path / "labels"
    write_run(run, [prediction(1)], skipped=1, options={"inputs": [str(folder)]})
    assert main(["export", str(run), "--to", "ledger"]) == 0
    assert "2 more are skipped in the inputs today than by the run" in capsys.readouterr().out


def test_files_that_were_skipped_inside_archives_are_named(tmp_path: Path) -> None:
    folder = tmp_path / "input"
    folder.mkdir()
    write_tar(folder / "x.tar", [("a.jpg", b"x"), ("notes.md", b"x"), ("._a.jpg", b"x")])
    write_zip(folder / "y.zip", {"b.mp4": b"x"})
    (folder / "c.odd").touch()
    run = tmp_path / "labels"
    write_run(run, [prediction(1)], skipped=4, options={"inputs": [str(folder)]})
    summary = exported(run, "ledger")
    assert (summary["rows"], summary["left_out"]) == (5, 0)
    ledger = f"{run}/__export/ledger/ledger.parquet"
    query = f"SELECT uri, reason FROM '{ledger}' WHERE outcome = 'skipped' ORDER BY uri"
    assert duckdb.connect().execute(query).fetchall() == [
        (f"{folder}/c.odd", "other"),
        (f"{folder}/x.tar#._a.jpg", "hidden"),
        (f"{folder}/x.tar#notes.md", "text"),
        (f"{folder}/y.zip#b.mp4", "video"),
    ]
