"""A folder of links for each label."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from deploy.emulator import Cloud
from pipeline.cli import main
from pipeline.export.image_folder import folder_names, safe_name
from tests.helpers.exports import NAMES, exported, loaded, row
from tests.helpers.finished_runs import plausible, write_run
from tests.helpers.pictures import make_pictures


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


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("cat/dog", "cat_dog"),
        (".hidden", "+.hidden"),
        ("__init", "+__init"),
        (" ", "+"),
        ("é", "é"),
        ("bullet train", "bullet +train"),
        ("test", "+test"),
        ("dev_val", "+dev_+val"),
        ("training wheels", "+training wheels"),
        ("trainer", "trainer"),
        ("a contest", "a contest"),
    ],
)
def test_names_are_ones_that_readers_take(name: str, safe: str) -> None:
    assert safe_name(name) == safe


def test_no_two_folders_are_one_on_any_system() -> None:
    labels = ["Cardigan", "cardigan", "a/b", "a_b", "x" * 300, "x" * 299, "caf\u00e9", "cafe\u0301"]
    folders = folder_names(labels)
    assert len({unicodedata.normalize("NFC", name).casefold() for name in folders.values()}) == 8
    assert (folders["Cardigan"], folders["cardigan"]) == ("Cardigan (1)", "cardigan (2)")
    assert max(len(name.encode()) for name in folders.values()) <= 210


def test_links_are_not_called_like_splits_either(tmp_path: Path) -> None:
    make_pictures(tmp_path / "photos", count=1)
    path = tmp_path / "photos/eye-test.jpg"
    (tmp_path / "photos/000000.jpg").rename(path)
    write_run(tmp_path / "labels", [row(str(path), 0, [1, 2], 0.9)])
    exported(tmp_path / "labels", "imagefolder")
    (link,) = (tmp_path / "labels/__export/imagefolder").glob("*/*")
    assert link.name == "000000001-eye-+test.jpg"
