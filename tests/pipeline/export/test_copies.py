"""Members of archives as files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.cli import main
from tests.helpers.archives import write_tar
from tests.helpers.exports import loaded, row
from tests.helpers.finished_runs import write_run
from tests.helpers.pictures import make_pictures


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    """Two pictures in an archive, one of which the run has, a member that is gone, and a file."""
    make_pictures(tmp_path / "photos", count=3)
    paths = sorted((tmp_path / "photos").iterdir())
    archive = tmp_path / "photos.tar"
    write_tar(archive, [(f"d/é {path.name}", path.read_bytes()) for path in paths[:2]])
    uris = [f"{archive}#d/é 000000.jpg", f"{archive}#gone.jpg", str(paths[2])]
    rows = [row(uri, at, [1 + at // 2, 4], 0.1 + at / 10) for at, uri in enumerate(uris)]
    write_run(tmp_path / "labels", rows)
    return tmp_path / "labels"


def _exported(run: Path, to: str, *words: str) -> dict[str, object]:
    assert main(["export", str(run), "--to", to, *words]) == 0
    ledger: dict[str, object] = json.loads((run / f"__export/{to}.json").read_bytes())
    return ledger


def test_label_studio_and_fiftyone_are_shown_copies(packed: Path) -> None:
    assert _exported(packed, "label-studio")["left_out"] == 2
    counts = _exported(packed, "label-studio", "--copy-pictures")
    assert (counts["rows"], counts["left_out"]) == (2, 1)  # one member is there no more
    (tasks,) = (packed / "__export/label-studio").glob("tasks-*.json")
    data = json.loads(tasks.read_bytes())[0]["data"]
    copy = packed / "__export/label-studio/__pictures/000000000-__000000.jpg"
    assert data["image"] == f"/data/local-files/?d={str(copy)[1:]}"
    assert data["uri"].endswith("photos.tar#d/é 000000.jpg")
    first = packed.parent / "photos/000000.jpg"
    assert copy.read_bytes() == first.read_bytes()
    counts = _exported(packed, "fiftyone", "--copy-pictures")
    assert (counts["rows"], counts["left_out"]) == (2, 1)
    paths = json.loads((packed / "__export/fiftyone/data.json").read_bytes())
    assert next(Path(path).read_bytes() for path in paths.values()) == first.read_bytes()


def test_an_image_folder_holds_the_copies_themselves(packed: Path, tmp_path: Path) -> None:
    assert _exported(packed, "imagefolder", "--copy-pictures")["rows"] == 2
    folder = packed / "__export/imagefolder"
    names = ["goldfish/000000003-000002.jpg", "tench/000000001-é 000000.jpg"]
    assert [str(path.relative_to(folder)) for path in sorted(folder.glob("*/*"))] == names
    assert [(folder / name).is_symlink() for name in names] == [True, False]
    assert not (folder / "__pictures").exists()
    assert loaded(tmp_path, "imagefolder", None, str(folder))["sizes"] == [[96, 64]] * 2
    counts = _exported(packed, "huggingface", "--copy-pictures")
    found = loaded(tmp_path, str(packed / "__export/huggingface"))
    assert found["sizes"] == [[96, 64], None, [96, 64]]
    assert counts["rows"] == 3
