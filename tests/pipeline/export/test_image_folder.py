"""A folder of links for each label."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.emulator import Cloud
from pipeline.cli import main
from tests.helpers.exports import NAMES, exported, loaded
from tests.helpers.finished_runs import plausible, write_run


def test_an_image_folder_holds_links_that_datasets_reads(run: Path) -> None:
    ledger = exported(run, "imagefolder")
    assert (ledger["rows"], ledger["left_out"]) == (3, 2)
    folder = run / "__export/imagefolder"
    links = sorted(folder.glob("*/*"))
    assert [str(link.relative_to(folder)) for link in links] == [
        "crane (135)/000000001-a b#c é.jpg",
        f"crane (518)/000000002-{NAMES[1]}",
        "tench/000000003-plain.jpeg",
    ]
    assert [link.resolve() for link in links] == [run.parent / "photos" / name for name in NAMES]
    found = loaded(run.parent, "imagefolder", None, str(folder))
    assert found["names"] == ["crane (135)", "crane (518)", "tench"]
    assert sorted(found["labels"]) == [0, 1, 2]
    assert found["sizes"] == [[96, 64]] * 3


def test_a_bucket_has_no_links(
    cloud: Cloud, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run(tmp_path / "labels", plausible(3))
    for path in (tmp_path / "labels").iterdir():
        uri = cloud.put(f"labels/{path.name}", path.read_bytes())
    assert main(["export", uri.rsplit("/", 1)[0], "--to", "imagefolder"]) == 1
    assert "there are no links in a bucket" in capsys.readouterr().err
