"""`quantlabel export`: what it writes is read by the tools that it is written for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas
import pytest
from pycocotools.coco import COCO

from deploy.emulator import Cloud
from pipeline.cli import main
from pipeline.export.targets import TARGETS
from tests.helpers.contents import contents
from tests.helpers.exports import NAMES, NEEDS, exported, loaded
from tests.helpers.finished_runs import plausible, some_failures, write_run
from tests.helpers.rows import prediction
from transforms.flags import Flags
from transforms.inputs.listing import list_input
from transforms.inputs.skips import Skipped
from transforms.records import ImageRef


def test_where_a_picture_has_one_label_it_is_the_label_maps(mapped: Path) -> None:
    assert exported(mapped, "coco-classification")["rows"] == 3
    coco = COCO(mapped / "__export/coco-classification/annotations.json")
    assert [category["name"] for category in coco.cats.values()] == ["fish", "cat", "bird"]
    assert list(coco.imgs) == [1, 2, 3]
    assert list(coco.anns.values()) == [
        {"id": 1, "image_id": 1, "category_id": 1, "score": 0.75},
        {"id": 2, "image_id": 3, "category_id": 3, "score": 0.5},
    ]
    ledger = exported(mapped, "imagefolder")
    assert (ledger["rows"], ledger["left_out"]) == (2, 1)
    links = sorted((mapped / "__export/imagefolder").glob("*/*"))
    assert [f"{link.parent.name} {link.resolve().name}" for link in links] == [
        "bird 000002.jpg",
        "fish 000000.jpg",
    ]
    assert exported(mapped, "fiftyone")["rows"] == 3
    assert json.loads((mapped / "__export/fiftyone/labels.json").read_bytes()) == {
        "classes": ["fish", "cat", "bird"],
        "labels": {
            "000000001": {"label": "fish", "confidence": 0.75},
            "000000002": None,
            "000000003": {"label": "bird", "confidence": 0.5},
        },
    }


def test_where_there_are_columns_the_label_map_has_its_own(mapped: Path) -> None:
    exported(mapped, "csv")
    table = pandas.read_csv(mapped / "__export/csv/predictions.csv")
    assert table.columns[-7:-5].tolist() == ["mapped_label", "mapped_score"]
    assert table["mapped_label"].fillna("").tolist() == ["fish", "", "bird"]
    assert table["mapped_score"].tolist() == [0.75, 0.125, 0.5]
    assert table["score"].tolist() == [0.25, 0.875, 0.5]
    exported(mapped, "huggingface")
    found = loaded(mapped.parent, str(mapped / "__export/huggingface"))
    assert found["mapped"] == [["fish", "cat", "bird"], [0, None, 2], [0.75, 0.125, 0.5]]
    assert found["misdeclared"] == []


def test_only_pictures_with_a_flag_are_exported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags: list[dict[str, Any]] = [dict.fromkeys(Flags._fields, False) for _ in range(4)]
    flags[1]["blurry"] = flags[2]["dark"] = True
    rows = [prediction(at)._replace(**flags[at]) for at in range(4)]
    write_run(tmp_path / "run", rows, some_failures(1), options={"quality": True})
    export = ["export", str(tmp_path / "run"), "--to", "csv", "--flag"]
    for words, expected in (
        (["blurry"], [1]),
        (["dark", "--flag", "blurry"], [1, 2]),
        (["none"], [0, 3]),
    ):
        assert main([*export, *words]) == 0
        table = pandas.read_csv(tmp_path / "run/__export/csv/predictions.csv")
        assert table["class_id"].tolist() == expected
    write_run(tmp_path / "plain", rows)
    assert main(["export", str(tmp_path / "plain"), "--to", "csv", "--flag", "blurry"]) == 2
    assert "was labelled without --quality" in capsys.readouterr().err


def test_an_export_replaces_the_last_and_touches_nothing_else(run: Path) -> None:
    before = contents(run)
    exported(run, "csv")
    first = (run / "__export/csv/predictions.csv").read_bytes()
    (run / "__export/csv/stale.csv").write_text("of an earlier run")
    exported(run, "csv")
    exported(run, "imagefolder")
    exported(run, "imagefolder")  # over the links of before, whose pictures stay
    assert sorted(path.name for path in (run / "__export/csv").iterdir()) == [
        "_QUANTLABEL.json",
        "failures.csv",
        "predictions.csv",
    ]
    assert (run / "__export/csv/predictions.csv").read_bytes() == first
    assert {name: contents(run)[name] for name in before} == before
    assert sorted(path.name for path in (run.parent / "photos").iterdir()) == sorted(NAMES)


@pytest.mark.parametrize("to", ["csv", "huggingface", "label-studio", "coco-classification"])
def test_a_run_in_a_bucket_is_exported_into_the_bucket(
    cloud: Cloud, tmp_path: Path, to: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run(tmp_path / "labels", plausible(30))
    uris = [
        cloud.put(f"labels/{path.name}", path.read_bytes())
        for path in (tmp_path / "labels").iterdir()
    ]
    folder = uris[0].rsplit("/", 1)[0]
    assert main(["export", folder, "--to", to, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == 30
    exported(tmp_path / "labels", to)
    here = tmp_path / "labels/__export" / to
    written = {
        f"labels/__export/{to}/{path.relative_to(here)}": path.read_bytes()
        for path in here.rglob("*")
        if path.is_file()
    }
    assert {name: cloud.content(name) for name in written} == written


@pytest.mark.parametrize("to", [*TARGETS])
def test_an_export_is_no_input_wherever_it_is_moved(run: Path, tmp_path: Path, to: str) -> None:
    """Seen failing without the marker in `imagefolder` and the metadata of `huggingface`."""
    if to in NEEDS:
        pytest.importorskip(NEEDS[to], reason=f"{NEEDS[to]} is not installed")
    exported(run, to)
    (run / "__export" / to).rename(tmp_path / "moved")
    mine = tmp_path / "moved/mine.jpg"
    mine.write_bytes(b"x")
    listed = list_input(str(tmp_path / "moved"))
    assert [item for item in listed if not isinstance(item, Skipped)] == [
        ImageRef(str(mine), None, 1, str(mine.stat().st_mtime_ns))
    ]
