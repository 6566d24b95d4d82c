"""Names of pictures that no text can hold, from the run to everything that is made of it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipeline.cli import main
from pipeline.export.targets import TARGETS

NAMES = {b"a.jpg": "a.jpg", b"caf\xe9.jpg": r"caf\xe9.jpg", rb"caf\xe9.jpg": r"caf\x5cxe9.jpg"}
"""Names of files, and how rows spell them."""


@pytest.fixture
def run(photos: Path, stand_in_file: Path, tmp_path: Path) -> Path:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/p\xe9"))
    folder.mkdir()
    for name, picture in zip(NAMES, sorted(photos.iterdir()), strict=False):
        picture.rename(folder / os.fsdecode(name))
    words = ["--input", folder, "--output", tmp_path / "out", "--model", stand_in_file, "--quiet"]
    assert main(["label", *map(str, words)]) == 0
    return tmp_path / "out"


def _uris(run: Path) -> list[str]:
    return sorted(pq.read_table(next(run.glob("*.parquet")))["uri"].to_pylist())


def test_two_files_are_two_rows_that_lead_back_to_them(
    run: Path, stand_in_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _uris(run) == sorted(rf"{run.parent}/p\xe9/{name}" for name in NAMES.values())
    assert main(["verify", str(run), "--model", str(stand_in_file), "--json"]) == 0
    checks = {check["name"]: check for check in json.loads(capsys.readouterr().out)["checks"]}
    assert checks["labelled again"]["found"] == "3 pictures, every column compared"
    assert checks["inputs"]["found"].startswith("3 listed")
    assert main(["report", str(run)]) == 0
    page = (run / "__report/index.html").read_text("utf-8")
    names = [json.dumps(name)[1:-1] for name in NAMES.values()]
    assert [name for name in names if name not in page] == []


@pytest.mark.parametrize("to", [*TARGETS])
def test_every_export_takes_them_or_says_what_it_left_out(run: Path, to: str) -> None:
    if to in ("label-studio", "fiftyone"):  # which can open none of them
        assert main(["export", str(run), "--to", to]) == 1
        assert not (run / f"__export/{to}.json").exists()
        return
    assert main(["export", str(run), "--to", to]) == 0
    ledger = json.loads((run / f"__export/{to}.json").read_bytes())
    assert ledger["rows"] + ledger["left_out"] == 3
    if to == "imagefolder":
        links = (run / "__export/imagefolder").glob("*/*")
        names = sorted(os.path.basename(os.fsencode(os.path.realpath(link))) for link in links)
        assert names == sorted(NAMES)
