"""Every target, loaded by its own reader, with class names that break readers."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas
import pytest
from pycocotools.coco import COCO

from pipeline.cli import main
from pipeline.export.targets import TARGETS
from tests.helpers.exports import exported, loaded, row
from tests.helpers.fiftyone import in_fiftyone
from tests.helpers.finished_runs import write_run
from tests.helpers.label_studio import validated
from tests.helpers.pictures import make_pictures

LABELS = [
    *("bullet train", "test", "Cardigan", "cardigan", "a/b", "a_b", "x" * 300, "$x", "=1+1"),
    *("quo\"te's, <b>&amp;", "__init", ".hidden", "none of these", "caf\u00e9", "N/A", "null"),
    "\U0001f600 [1]*",
]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A picture of each label, two that are gone, and one whose name is not UTF-8."""
    make_pictures(tmp_path / "photos", count=len(LABELS) + 1)
    paths = [*map(str, sorted((tmp_path / "photos").iterdir()))]
    odd = paths.pop()
    uris = [*paths, str(tmp_path / "gone.jpg"), str(tmp_path / "gone.tar#a.jpg")]
    uris.append(odd[:-4] + "\udcff.jpg")
    Path(odd).rename(uris[-1])
    labels = [*LABELS, "test", "test", "test"]
    rows = [
        row(uri, at, [1 + at, 2 + at], 0.5)._replace(mapped_label=label, mapped_score=0.5)
        for at, (uri, label) in enumerate(zip(uris, labels, strict=True))
    ]
    own = {"threshold": 0.0, "labels": {label: [1 + at] for at, label in enumerate(LABELS)}}
    write_run(tmp_path / "labels", rows, label_map=own)
    return tmp_path / "labels"


def _of_image_folder(folder: Path, tmp_path: Path) -> list[str]:
    found = loaded(tmp_path, "imagefolder", None, str(folder))
    whole = loaded(tmp_path / "2", str(folder))
    assert (whole["names"], sorted(whole["labels"])) == (found["names"], sorted(found["labels"]))
    assert set(map(str, found["sizes"])) == {"[96, 64]"}
    labels = json.loads((folder / "_classes.json").read_bytes())
    return [labels[found["names"][number]] for number in found["labels"]]


def _of_hugging_face(folder: Path, tmp_path: Path) -> list[str]:
    names, numbers, _ = loaded(tmp_path, str(folder))["mapped"]
    return [names[number] for number in numbers]


def _of_coco(folder: Path, _: Path) -> list[str]:
    coco = COCO(folder / "annotations.json")
    names = {each["id"]: each["name"] for each in coco.loadCats(coco.getCatIds())}
    return [names[each["category_id"]] for each in coco.loadAnns(coco.getAnnIds())]


def _of_label_studio(folder: Path, _: Path) -> list[str]:
    found = validated(folder)
    assert found["errors"] == []
    assert set(LABELS) <= set(found["choices"])
    tasks = [task for path in folder.glob("tasks-*") for task in json.loads(path.read_bytes())]
    return [task["predictions"][0]["result"][0]["value"]["choices"][0] for task in tasks]


def _of_fiftyone(folder: Path, _: Path) -> list[str]:
    content: dict[str, Any] = json.loads((folder / "labels.json").read_bytes())
    assert content["classes"] == LABELS
    return [each["label"] for each in content["labels"].values()]


def _of_csv(folder: Path, _: Path) -> list[str]:
    read = pandas.read_csv(folder / "predictions.csv", keep_default_na=False)["mapped_label"]
    with (folder / "predictions.csv").open(encoding="utf-8", newline="") as file:
        assert [line["mapped_label"] for line in csv.DictReader(file)] == list(read)
    return [label.removeprefix("'") for label in read]


ALL = [*LABELS, "test", "test", "test"]
READERS: dict[str, tuple[Callable[[Path, Path], list[str]], list[str], int]] = {
    "imagefolder": (_of_image_folder, [*LABELS, "test"], 1),
    "huggingface": (_of_hugging_face, ALL, 1),
    "coco-classification": (_of_coco, ALL, 0),
    "label-studio": (_of_label_studio, [*LABELS, "test"], 1),
    "fiftyone": (_of_fiftyone, [*LABELS, "test"], 1),
    "csv": (_of_csv, ALL, 0),
}
"""How a target is read, the labels of what it shows, and how many pictures it says are gone."""


def test_every_target_with_labels_is_read_here() -> None:
    # Labels in tables are plain columns: tests/pipeline/export/lakehouse reads them.
    tables = {to for to, each in TARGETS.items() if each.commits}
    assert set(READERS) == set(TARGETS) - tables - {"ledger"}


@pytest.mark.parametrize("to", READERS)
def test_every_label_comes_back_as_it_was(run: Path, tmp_path: Path, to: str) -> None:
    read, labels, gone = READERS[to]
    assert exported(run, to)["gone"] == gone
    assert sorted(read(run / "__export" / to, tmp_path)) == sorted(labels)


def test_fiftyone_itself_gives_every_label_back(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = """
for row in rows.iter_samples(autosave=True):
    row["answer"] = fiftyone.Classification(label=row.guess.label)
rows.export(sys.argv[2], fiftyone.types.FiftyOneDataset, export_media=False, progress=False)
print(json.dumps([row.guess.label for row in rows]))
"""
    told = in_fiftyone(run, script, str(tmp_path / "back"))
    assert sorted(json.loads(told.splitlines()[-1])) == sorted([*LABELS, "test"])
    capsys.readouterr()
    truth = str(tmp_path / "back/samples.json")
    assert main(["evaluate", str(run), "--labels", "mapped", "--truth", truth, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["top1"]["hits"], found["top1"]["of"]) == (len(LABELS) + 1, len(LABELS) + 1)


def test_an_export_of_nothing_has_failed(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    to = "imagefolder"
    exported(run, to)
    before = sorted(path.name for path in (run / "__export" / to).iterdir())
    (tmp_path / "photos").rename(tmp_path / "elsewhere")
    capsys.readouterr()
    assert main(["export", str(run), "--to", to]) == 1
    message = capsys.readouterr().err
    assert f"nothing to export to {to}. " in message
    assert "19 left out: their files are not on this machine; 1 are left out: " in message
    assert message.count("\n") == 1
    assert sorted(path.name for path in (run / "__export" / to).iterdir()) == before


def test_some_pictures_are_chosen(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "some.csv").write_text("file\n000003.jpg\n000001.jpg\nno.jpg\n", "utf-8")
    for to in TARGETS:
        words = ["export", str(run), "--to", to, "--uris", str(tmp_path / "some.csv"), "--json"]
        assert main(words) == 0
        assert json.loads(capsys.readouterr().out)["rows"] == 2
    (tmp_path / "some.csv").write_text("file\nno.jpg\n", "utf-8")
    assert main(words) == 1
    assert "The run has none of the pictures that are wanted" in capsys.readouterr().err
