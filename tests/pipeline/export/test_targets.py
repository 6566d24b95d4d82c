"""Each export target stands in one registry, and whatever is there is written and read back."""

from __future__ import annotations

import json
import pkgutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pandas
import pyarrow.parquet as pq
import pytest

import pipeline.export
from pipeline.cli import main
from pipeline.export.targets import TARGETS
from tests.helpers.exports import NEEDS, iceberg_table, lance_rows
from tests.helpers.finished_runs import plausible, write_run
from tests.helpers.pictures import make_pictures
from tests.helpers.root import ROOT

SHARED = {"command", "copies", "label_studio_config", "source", "targets", "write"}
"""Modules of the room that write no format of their own."""


@pytest.fixture(params=TARGETS)
def to(request: pytest.FixtureRequest) -> str:
    """A target whose package is there."""
    name: str = request.param
    if name in NEEDS:
        pytest.importorskip(NEEDS[name], reason=f"{NEEDS[name]} is not installed")
    return name


PICTURES: Mapping[str, Callable[[Path], int]] = {
    "label-studio": lambda folder: sum(
        len(json.loads(path.read_bytes())) for path in folder.glob("tasks-*.json")
    ),
    "fiftyone": lambda folder: len(json.loads((folder / "labels.json").read_bytes())["labels"]),
    "huggingface": lambda folder: pq.read_table(folder / "data").num_rows,
    "coco-classification": lambda folder: len(
        json.loads((folder / "annotations.json").read_bytes())["images"]
    ),
    "csv": lambda folder: len(pandas.read_csv(folder / "predictions.csv")),
    "imagefolder": lambda folder: sum(link.is_file() for link in folder.glob("*/*")),
    "ledger": lambda folder: pq.read_table(folder / "ledger.parquet").num_rows,
    "iceberg": lambda folder: iceberg_table(folder).scan().to_arrow().num_rows,
    "lance": lambda folder: lance_rows(folder).num_rows,
}
"""How many pictures an export holds, read back; one for each target."""


def test_every_writer_is_in_the_registry() -> None:
    found = {module.name for module in pkgutil.iter_modules(pipeline.export.__path__)}
    assert {target.writer.partition(".")[0] for target in TARGETS.values()} == found - SHARED


def test_tests_can_read_every_target() -> None:
    assert set(PICTURES) == set(TARGETS)


def test_what_is_exported_is_read_back(
    to: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_pictures(tmp_path / "photos", count=3)
    rows = [
        *(
            row._replace(uri=str(path))
            for row, path in zip(plausible(3), sorted((tmp_path / "photos").iterdir()), strict=True)
        ),
        next(plausible(1))._replace(uri="gs://bucket/a.jpg"),
        next(plausible(1))._replace(uri="/data/x.tar#a.jpg"),
    ]
    # One that was skipped inside an archive: the ledger alone speaks of what has no row.
    write_run(
        tmp_path / "labels",
        sorted(rows, key=lambda row: row.uri),
        skipped=1,
        options={"inputs": [str(tmp_path / "photos")]},
    )
    assert main(["export", str(tmp_path / "labels"), "--to", to]) == 0
    said = " ".join(capsys.readouterr().out.split())
    ledger = json.loads((tmp_path / f"labels/__export/{to}.json").read_bytes())
    assert ledger["rows"] + ledger["left_out"] == len(rows) + (to == "ledger")
    assert ledger["rows"] == PICTURES[to](tmp_path / "labels/__export" / to) >= 3
    reason = TARGETS[to].left_out
    assert (reason is not None) == (ledger["left_out"] > 0)
    assert reason is None or f"{ledger['left_out']} left out: {reason}" in said


def test_help_and_documentation_name_it(to: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["export", "--help"])
    assert f"  {to} " in capsys.readouterr().out
    assert f"`{to}`" in "".join(path.read_text("utf-8") for path in (ROOT / "docs").rglob("*.md"))
