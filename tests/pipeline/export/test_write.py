"""`quantlabel export`: what it writes is read by the tools that it is written for."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import subprocess
import sys
import urllib.parse
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import duckdb
import pandas
import pytest
from pycocotools.coco import COCO

from pipeline.cli import main
from pipeline.export import label_studio
from pipeline.export.image_folder import safe_name
from pipeline.export.source import is_member, unique_names
from pipeline.export.targets import TARGETS
from pipeline.labels import tables
from tests.helpers.cloud import Cloud
from tests.helpers.finished_runs import plausible, some_failures, write_run
from tests.helpers.label_studio import validated
from tests.helpers.pictures import make_pictures
from tests.helpers.root import ROOT
from tests.helpers.rows import prediction
from transforms.inputs.archives.base import Skipped
from transforms.inputs.archives.parquet import parquet_content
from transforms.inputs.listing import list_input
from transforms.network.classes import class_names
from transforms.records import Failure, ImageRef, Prediction

NAMES = ("a b#c é.jpg", 'it\'s "<b>" 😀+%20&.jpg', "plain")
"""Of the local pictures; the last has no extension."""


def _row(uri: str, number: int, ids: list[int], score: float, sha256: str = "") -> Prediction:
    names = class_names()
    return prediction(number, uri=uri)._replace(
        sha256=sha256 or f"{number:064x}",
        width=96,
        height=64,
        class_id=ids[0],
        synset=names[ids[0]].synset,
        label=names[ids[0]].label,
        score=score,
        top_class_ids=ids,
        top_labels=[names[class_id].label for class_id in ids],
        top_scores=[score, *[0.01] * (len(ids) - 1)],
    )


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Three local pictures, one in a bucket, one inside an archive; both cranes; two failures."""
    make_pictures(tmp_path / "photos", count=3)
    rows = []
    for number, name in enumerate(NAMES):
        path = tmp_path / "photos" / name
        (tmp_path / f"photos/{number:06d}.jpg").rename(path)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        rows.append(_row(str(path), number, [[135, 518], [518, 135], [1, 2]][number], 0.9, digest))
    rows[1] = rows[1]._replace(score=0.25)
    rows.append(_row("gs://bucket/d e#f%20.jpg", 3, [2, 1], 0.5))
    rows.append(_row("/data/shard-0.tar#dir/g#h.jpg", 4, [1, 2], 0.1))
    write_run(tmp_path / "labels", rows, some_failures(2))
    return tmp_path / "labels"


@pytest.fixture
def mapped(tmp_path: Path) -> Path:
    """A fish, a picture below the threshold of the label map and a bird."""
    make_pictures(tmp_path / "photos", count=3)
    paths = sorted((tmp_path / "photos").iterdir())
    labels, scores = ("fish", None, "bird"), (0.75, 0.125, 0.5)
    rows = [
        row._replace(uri=str(path), mapped_label=label, mapped_score=score, score=1 - score)
        for row, path, label, score in zip(plausible(3), paths, labels, scores, strict=True)
    ]
    own = {"threshold": 0.25, "labels": {"fish": [1, 2], "cat": [282], "bird": [8]}}
    write_run(tmp_path / "labels", rows, label_map=own)
    return tmp_path / "labels"


def _export(folder: Path | str, to: str) -> dict[str, Any]:
    assert main(["export", str(folder), "--to", to]) == 0
    ledger: dict[str, Any] = json.loads(Path(f"{folder}/export/{to}.json").read_bytes())
    return ledger


def _tasks(folder: Path) -> list[list[dict[str, Any]]]:
    paths = sorted((folder / "export/label-studio").glob("tasks-*.json"))
    return [json.loads(path.read_bytes()) for path in paths]


def test_label_studio_takes_the_tasks(run: Path) -> None:
    ledger = _export(run, "label-studio")
    assert (ledger["rows"], ledger["left_out"]) == (4, 1)  # the member of the archive
    (tasks,) = _tasks(run)
    photos = run.parent / "photos"
    assert [task["data"]["uri"] for task in tasks] == [
        str(photos / NAMES[1]),
        "gs://bucket/d e#f%20.jpg",
        str(photos / NAMES[0]),
        str(photos / NAMES[2]),
    ]
    assert [task["predictions"][0]["score"] for task in tasks] == [0.25, 0.5, 0.9, 0.9]
    assert tasks[1]["data"]["image"] == "gs://bucket/d e#f%20.jpg"
    assert tasks[2]["predictions"] == [
        {
            "model_version": "made-up@abababab",
            "score": 0.9,
            "result": [
                {
                    "id": "quantlabel",
                    "type": "choices",
                    "from_name": "choice",
                    "to_name": "image",
                    "value": {"choices": ["crane (135)"]},
                }
            ],
        }
    ]
    assert validated(run / "export/label-studio") == {
        "tasks": 4,
        "errors": [],
        "choices": ["tench", "goldfish", "crane (135)", "crane (518)", "none of these"],
    }


def test_a_local_picture_is_asked_of_label_studios_file_service(run: Path) -> None:
    _export(run, "label-studio")
    (tasks,) = _tasks(run)
    assert tasks[2]["data"]["image"].endswith("/photos/a%20b%23c%20%C3%A9.jpg")
    for task in (tasks[0], tasks[2]):
        asked = urllib.parse.urlsplit(task["data"]["image"])
        assert (asked.path, asked.fragment) == ("/data/local-files/", "")
        assert urllib.parse.parse_qs(asked.query)["d"] == [task["data"]["uri"].lstrip("/")]


def test_many_classes_are_narrowed_to_those_of_the_task(tmp_path: Path) -> None:
    write_run(tmp_path / "labels", plausible(200))
    _export(tmp_path / "labels", "label-studio")
    (tasks,) = _tasks(tmp_path / "labels")
    assert {len(task["data"]["choices"]) for task in tasks} == {6}
    for task in tasks:
        offered = [choice["value"] for choice in task["data"]["choices"]]
        assert task["predictions"][0]["result"][0]["value"]["choices"] == offered[:1]
        assert offered[-1] == "none of these"
    config = ET.parse(tmp_path / "labels/export/label-studio/config.xml")
    choices = config.find("Choices")
    assert choices is not None
    assert (choices.get("value"), len(choices)) == ("$choices", 0)
    found = validated(tmp_path / "labels/export/label-studio")
    assert (found["tasks"], found["errors"]) == (200, [])


def test_a_label_map_narrows_the_choices_to_the_users_own(mapped: Path) -> None:
    _export(mapped, "label-studio")
    (tasks,) = _tasks(mapped)
    predictions = [task["predictions"][0] for task in tasks]
    assert [prediction["score"] for prediction in predictions] == [0.125, 0.5, 0.75]
    assert [
        [result["value"]["choices"] for result in prediction["result"]]
        for prediction in predictions
    ] == [[], [["bird"]], [["fish"]]]
    assert validated(mapped / "export/label-studio") == {
        "tasks": 3,
        "errors": [],
        "choices": ["fish", "cat", "bird", "none of these"],
    }


def test_where_a_picture_has_one_label_it_is_the_label_maps(mapped: Path) -> None:
    assert _export(mapped, "coco-classification")["rows"] == 3
    coco = COCO(mapped / "export/coco-classification/annotations.json")
    assert [category["name"] for category in coco.cats.values()] == ["fish", "cat", "bird"]
    assert list(coco.imgs) == [1, 2, 3]
    assert list(coco.anns.values()) == [
        {"id": 1, "image_id": 1, "category_id": 1, "score": 0.75},
        {"id": 2, "image_id": 3, "category_id": 3, "score": 0.5},
    ]
    ledger = _export(mapped, "imagefolder")
    assert (ledger["rows"], ledger["left_out"]) == (2, 1)
    links = sorted((mapped / "export/imagefolder").glob("*/*"))
    assert [f"{link.parent.name} {link.resolve().name}" for link in links] == [
        "bird 000002.jpg",
        "fish 000000.jpg",
    ]
    assert _export(mapped, "fiftyone")["rows"] == 3
    assert json.loads((mapped / "export/fiftyone/labels.json").read_bytes()) == {
        "classes": ["fish", "cat", "bird"],
        "labels": {
            "000000001": {"label": "fish", "confidence": 0.75},
            "000000002": None,
            "000000003": {"label": "bird", "confidence": 0.5},
        },
    }


def test_where_there_are_columns_the_label_map_has_its_own(mapped: Path) -> None:
    _export(mapped, "csv")
    table = pandas.read_csv(mapped / "export/csv/predictions.csv")
    assert table.columns[-7:-5].tolist() == ["mapped_label", "mapped_score"]
    assert table["mapped_label"].fillna("").tolist() == ["fish", "", "bird"]
    assert table["mapped_score"].tolist() == [0.75, 0.125, 0.5]
    assert table["score"].tolist() == [0.25, 0.875, 0.5]
    _export(mapped, "huggingface")
    found = _loaded(mapped.parent, str(mapped / "export/huggingface"))
    assert found["mapped"] == [["fish", "cat", "bird"], [0, None, 2], [0.75, 0.125, 0.5]]
    assert found["misdeclared"] == []


def test_tasks_come_in_files_in_order_of_doubt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(label_studio, "TASKS_PER_FILE", 100)
    monkeypatch.setattr(label_studio, "_WINDOW", 200)  # so that rows are read several times
    rows = list(plausible(730))
    write_run(tmp_path / "labels", rows)
    _export(tmp_path / "labels", "label-studio")
    files = _tasks(tmp_path / "labels")
    assert [len(tasks) for tasks in files] == [100] * 7 + [30]
    uris = [task["data"]["uri"] for tasks in files for task in tasks]
    assert uris == [row.uri for row in sorted(rows, key=lambda row: row.score)]
    names = sorted(path.name for path in (tmp_path / "labels/export/label-studio").iterdir())
    assert names[:3] == ["_QUANTLABEL.json", "config.xml", "tasks-00000-of-00008.json"]


def test_fiftyone_finds_every_picture(run: Path) -> None:
    ledger = _export(run, "fiftyone")
    assert (ledger["rows"], ledger["left_out"]) == (2, 3)  # bucket, archive, no extension
    folder = run / "export/fiftyone"
    data = json.loads((folder / "data.json").read_bytes())
    labels = json.loads((folder / "labels.json").read_bytes())
    assert labels == {
        "classes": ["tench", "goldfish", "crane (135)", "crane (518)"],
        "labels": {
            "000000001": {"label": "crane (135)", "confidence": 0.9},
            "000000002": {"label": "crane (518)", "confidence": 0.25},
        },
    }
    assert data == {
        "000000001": str(run.parent / "photos" / NAMES[0]),
        "000000002": str(run.parent / "photos" / NAMES[1]),
    }


_OPEN = """
import json, sys
import fiftyone
rows = fiftyone.Dataset.from_dir(
    sys.argv[1],
    fiftyone.types.FiftyOneImageClassificationDataset,
    data_path="data.json",
    progress=False,
)
found = [[row.filepath] for row in rows]
for line, row in zip(found, rows, strict=True):
    if row.ground_truth:
        line += [row.ground_truth.label, row.ground_truth.confidence]
print(json.dumps({"media": rows.media_type, "classes": rows.default_classes, "rows": found}))
"""


def _opened(folder: Path) -> dict[str, Any]:
    """What FiftyOne makes of an export."""
    python = os.environ.get("QUANTLABEL_FIFTYONE")
    if not python:
        pytest.skip("no Python with fiftyone (QUANTLABEL_FIFTYONE); see docs/commands/export.md")
    _export(folder, "fiftyone")
    done = subprocess.run(
        [python, "-c", _OPEN, str(folder / "export/fiftyone")],
        capture_output=True,
        text=True,
        env={**os.environ, "FIFTYONE_DO_NOT_TRACK": "true", "PYTHONPATH": ""},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_fiftyone_itself_opens_it(run: Path) -> None:
    assert _opened(run) == {
        "media": "image",
        "classes": ["tench", "goldfish", "crane (135)", "crane (518)"],
        "rows": [
            [str(run.parent / "photos" / NAMES[0]), "crane (135)", 0.9],
            [str(run.parent / "photos" / NAMES[1]), "crane (518)", 0.25],
        ],
    }


def test_fiftyone_itself_opens_labels_of_ones_own(mapped: Path) -> None:
    found = _opened(mapped)
    assert found["classes"] == ["fish", "cat", "bird"]
    assert [row[1:] for row in found["rows"]] == [["fish", 0.75], [], ["bird", 0.5]]


_LOAD = """
import json, sys
import datasets, pyarrow.parquet
datasets.disable_progress_bars()
rows = datasets.load_dataset(*json.loads(sys.argv[1]), split="train", cache_dir=sys.argv[2])
found = {
    "columns": rows.column_names,
    "names": rows.features["label"].names,
    "labels": rows["label"][:],
    "sizes": [image and image.size for image in rows["image"][:]],
}
if "embedding" in rows.column_names:
    found["length"] = rows.features["embedding"].length
    found["second"] = rows[0]["embedding"][1]
    found["uris"] = rows["uri"][:]
    schema = pyarrow.parquet.read_schema(sys.argv[3])
    declared = json.loads(schema.metadata[b"huggingface"])["info"]["features"]
    types = datasets.Features.from_dict(declared).arrow_schema
    # Where they differ, `datasets` quietly takes what is stored; others take what is declared.
    found["misdeclared"] = [
        name for name in schema.names if types.field(name).type != schema.field(name).type
    ]
if "mapped_label" in rows.column_names:
    labels = rows.features["mapped_label"].names
    found["mapped"] = [labels, rows["mapped_label"][:], rows["mapped_score"][:]]
print(json.dumps(found))
"""


def _loaded(tmp_path: Path, *words: str | None) -> dict[str, Any]:
    """What `datasets` makes of a folder, without a network."""
    first = next(Path(str(words[-1])).rglob("*.parquet"), "")
    offline = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "USE_TF": "0", "USE_TORCH": "0"}
    done = subprocess.run(
        [sys.executable, "-c", _LOAD, json.dumps(words), str(tmp_path / "cache"), str(first)],
        capture_output=True,
        text=True,
        env={**os.environ, **offline, "HF_HOME": str(tmp_path / "home")},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_datasets_loads_the_rows_with_pictures_classes_and_vectors(run: Path) -> None:
    rows = [
        _row(str(run.parent / "photos" / name), number, [135, 518], 0.5)
        for number, name in enumerate(NAMES)
    ]
    rows.append(_row("/data/shard-0.tar#g.jpg", 9, [1, 2], 0.1))
    folder = run.parent / "here"
    write_run(folder, rows)
    assert _export(folder, "huggingface")["rows"] == 4
    found = _loaded(run.parent, str(folder / "export/huggingface"))
    assert found["names"] == ["tench", "goldfish", "crane (135)", "crane (518)"]
    assert found["labels"] == [2, 2, 2, 0]
    assert found["sizes"] == [[96, 64], [96, 64], [96, 64], None]
    assert found["uris"] == [row.uri for row in rows]
    assert found["length"] == 256
    assert found["misdeclared"] == []
    assert found["second"] == pytest.approx(1 / 3)


def test_an_image_folder_holds_links_that_datasets_reads(run: Path) -> None:
    ledger = _export(run, "imagefolder")
    assert (ledger["rows"], ledger["left_out"]) == (3, 2)
    folder = run / "export/imagefolder"
    links = sorted(folder.glob("*/*"))
    assert [str(link.relative_to(folder)) for link in links] == [
        "crane (135)/000000001-a b#c é.jpg",
        f"crane (518)/000000002-{NAMES[1]}",
        "tench/000000003-plain.jpeg",
    ]
    assert [link.resolve() for link in links] == [run.parent / "photos" / name for name in NAMES]
    found = _loaded(run.parent, "imagefolder", None, str(folder))
    assert found["names"] == ["crane (135)", "crane (518)", "tench"]
    assert sorted(found["labels"]) == [0, 1, 2]
    assert found["sizes"] == [[96, 64]] * 3


def test_cocos_own_reader_takes_the_file(run: Path) -> None:
    assert _export(run, "coco-classification")["rows"] == 5
    coco = COCO(run / "export/coco-classification/annotations.json")
    assert sorted(coco.imgs) == sorted(coco.anns) == [1, 2, 3, 4, 5]
    assert {at: category["name"] for at, category in coco.cats.items()} == {
        1: "tench",
        2: "goldfish",
        3: "crane (135)",
        4: "crane (518)",
    }
    (second,) = coco.loadAnns(coco.getAnnIds(imgIds=[2]))
    assert second == {"id": 2, "image_id": 2, "category_id": 4, "score": 0.25}
    (archived,) = coco.loadImgs([5])
    assert archived["file_name"] == "/data/shard-0.tar#dir/g#h.jpg"
    assert (archived["width"], archived["height"]) == (96, 64)
    assert sorted(coco.getImgIds(catIds=[1])) == [3, 5]


def test_csv_holds_every_row_and_every_failure(run: Path) -> None:
    assert _export(run, "csv")["rows"] == 5
    table = pandas.read_csv(run / "export/csv/predictions.csv")
    assert " ".join(table.columns) == (
        "uri class_id synset label score label_2 score_2 width height format size sha256"
    )
    assert table["uri"].iloc[1] == str(run.parent / "photos" / NAMES[1])
    assert table.iloc[1][["class_id", "synset", "label", "score"]].tolist() == [
        518,
        "n03126707",
        "crane",
        0.25,
    ]
    assert table["label_2"].tolist() == ["crane", "crane", "goldfish", "tench", "goldfish"]
    failures = pandas.read_csv(run / "export/csv/failures.csv")
    assert failures["reason"].tolist() == ["truncated", "truncated"]


def test_labels_that_look_like_formulas_are_none_in_a_csv_and_come_back(tmp_path: Path) -> None:
    label = '=HYPERLINK("http://example.com","x")'
    row = prediction(1, uri="/p/a.jpg")._replace(label=label, top_labels=[label, "-b"])
    failed = Failure("/p/b.jpg", "read", "missing", "@x", True)
    write_run(tmp_path / "run", [row], [failed])
    _export(tmp_path / "run", "csv")
    path = tmp_path / "run/export/csv/predictions.csv"
    with path.open(encoding="utf-8", newline="") as file:
        (cells,) = csv.DictReader(file)
    assert (cells["label"], cells["label_2"]) == ("'" + label, "'-b")
    assert cells["uri"] == "/p/a.jpg"
    (read,) = tables.rows(str(path))
    assert (read.values["label"], read.values["label_2"]) == (label, "-b")
    (ref,) = list_input(str(path))
    assert isinstance(ref, ImageRef)
    assert json.loads(ref.meta or "")["label"] == label
    failures = pandas.read_csv(tmp_path / "run/export/csv/failures.csv")
    assert failures["message"].tolist() == ["'@x"]


def test_an_export_replaces_the_last_and_touches_nothing_else(run: Path) -> None:
    before = {path: path.read_bytes() for path in run.iterdir()}
    _export(run, "csv")
    first = (run / "export/csv/predictions.csv").read_bytes()
    (run / "export/csv/stale.csv").write_text("of an earlier run")
    _export(run, "csv")
    _export(run, "imagefolder")
    _export(run, "imagefolder")  # over the links of before, whose pictures stay
    assert sorted(path.name for path in (run / "export/csv").iterdir()) == [
        "_QUANTLABEL.json",
        "failures.csv",
        "predictions.csv",
    ]
    assert (run / "export/csv/predictions.csv").read_bytes() == first
    assert {path: path.read_bytes() for path in before} == before
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
    _export(tmp_path / "labels", to)
    here = tmp_path / "labels/export" / to
    written = {
        f"labels/export/{to}/{path.relative_to(here)}": path.read_bytes()
        for path in here.rglob("*")
        if path.is_file()
    }
    assert {name: cloud.content(name) for name in written} == written


def test_a_bucket_has_no_links(
    cloud: Cloud, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run(tmp_path / "labels", plausible(3))
    for path in (tmp_path / "labels").iterdir():
        uri = cloud.put(f"labels/{path.name}", path.read_bytes())
    assert main(["export", uri.rsplit("/", 1)[0], "--to", "imagefolder"]) == 1
    assert "there are no links in a bucket" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "status", "expected"),
    [
        (["/no/such", "--to", "csv"], 1, "/no/such: no finished run is there"),
        (["", "--to", "csv"], 2, "DIR: expected the output folder of a run"),
        (["labels", "--to", "yolo"], 2, "--to: expected one of label-studio, fiftyone,"),
    ],
)
def test_a_mistake_is_one_line(
    capsys: pytest.CaptureFixture[str], words: list[str], status: int, expected: str
) -> None:
    assert main(["export", *words]) == status
    error = capsys.readouterr().err
    assert expected in error
    assert error.count("\n") == 1


def test_names_of_classes_are_unique() -> None:
    assert unique_names({1: "a", 2: "b", 3: "a"}) == {1: "a (1)", 2: "b", 3: "a (3)"}
    assert [safe_name(name) for name in ("cat/dog", ".hidden", " ", "é")] == [
        "cat_dog",
        "_.hidden",
        "_",
        "é",
    ]


def test_members_of_archives_are_told_from_odd_names() -> None:
    assert is_member("/a/b.tar#c.jpg")
    assert is_member("/a#1/b.tfrecord#7")
    assert is_member("gs://x/part-0.parquet#3")
    assert not is_member("/a/b#c.jpg")
    assert not is_member("/a/b.tar/c.jpg")
    assert not is_member("/a/b.tar")


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
    summary = _export(run, "ledger")
    assert (summary["rows"], summary["left_out"]) == (8, 2)
    ledger = str(run / "export/ledger/ledger.parquet")
    assert parquet_content(ledger, image_key=None) == "results"
    assert duckdb.sql(f"SELECT * FROM '{ledger}' ORDER BY uri").fetchall() == [
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
        ("gs://photos/a.jpg", "8", 99, "failure", "truncated", "failures-00000-of-00001.jsonl"),
        ("gs://photos/b.jpg", None, None, "failure", "not_found", "failures-00000-of-00001.jsonl"),
    ]
    names = ["0", "1", "a", "c"]
    inventory = "name,generation\n" + "".join(f"{name}.jpg,7\n" for name in names)
    (tmp_path / "inventory.csv").write_text(inventory)
    page = (ROOT / "docs/commands/export.md").read_text("utf-8")
    query = page.partition("<!-- ledger -->\n```sql\n")[2].partition("```")[0]
    query = query.replace("'inventory.csv'", f"'{tmp_path}/inventory.csv'")
    query = query.replace("'labels/", f"'{run}/")
    assert sorted(duckdb.sql(query).fetchall()) == [
        ("a.jpg", 7, "8", "failure"),
        ("c.jpg", 7, None, None),
    ]


def test_a_run_that_skipped_nothing_needs_its_inputs_no_more(tmp_path: Path) -> None:
    write_run(tmp_path / "run", [prediction(1)], options={"inputs": ["/no/such/folder"]})
    assert _export(tmp_path / "run", "ledger")["rows"] == 1


@pytest.mark.parametrize("to", [*TARGETS])
def test_an_export_is_no_input_wherever_it_is_moved(run: Path, tmp_path: Path, to: str) -> None:
    """Seen failing without the marker in `imagefolder` and the metadata of `huggingface`."""
    _export(run, to)
    (run / "export" / to).rename(tmp_path / "moved")
    mine = tmp_path / "moved/mine.jpg"
    mine.write_bytes(b"x")
    listed = list_input(str(tmp_path / "moved"))
    assert [item for item in listed if not isinstance(item, Skipped)] == [
        ImageRef(str(mine), None, 1, str(mine.stat().st_mtime_ns))
    ]
