"""Tasks that Label Studio takes."""

from __future__ import annotations

import json
import urllib.parse
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from pipeline.export import label_studio
from tests.helpers.exports import NAMES, exported
from tests.helpers.finished_runs import plausible, write_run
from tests.helpers.label_studio import validated


def _tasks(folder: Path) -> list[list[dict[str, Any]]]:
    paths = sorted((folder / "__export/label-studio").glob("tasks-*.json"))
    return [json.loads(path.read_bytes()) for path in paths]


def test_label_studio_takes_the_tasks(run: Path) -> None:
    ledger = exported(run, "label-studio")
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
    assert validated(run / "__export/label-studio") == {
        "tasks": 4,
        "errors": [],
        "choices": ["tench", "goldfish", "crane (135)", "crane (518)", "none of these"],
    }


def test_a_local_picture_is_asked_of_label_studios_file_service(run: Path) -> None:
    exported(run, "label-studio")
    (tasks,) = _tasks(run)
    assert tasks[2]["data"]["image"].endswith("/photos/a%20b%23c%20%C3%A9.jpg")
    for task in (tasks[0], tasks[2]):
        asked = urllib.parse.urlsplit(task["data"]["image"])
        assert (asked.path, asked.fragment) == ("/data/local-files/", "")
        assert urllib.parse.parse_qs(asked.query)["d"] == [task["data"]["uri"].lstrip("/")]


def test_many_classes_are_narrowed_to_those_of_the_task(tmp_path: Path) -> None:
    write_run(tmp_path / "labels", plausible(200))
    exported(tmp_path / "labels", "label-studio")
    (tasks,) = _tasks(tmp_path / "labels")
    assert {len(task["data"]["choices"]) for task in tasks} == {6}
    for task in tasks:
        offered = [choice["value"] for choice in task["data"]["choices"]]
        assert task["predictions"][0]["result"][0]["value"]["choices"] == offered[:1]
        assert offered[-1] == "none of these"
    config = ET.parse(tmp_path / "labels/__export/label-studio/config.xml")
    choices = config.find("Choices")
    assert choices is not None
    assert (choices.get("value"), len(choices)) == ("$choices", 0)
    found = validated(tmp_path / "labels/__export/label-studio")
    assert (found["tasks"], found["errors"]) == (200, [])


def test_a_label_map_narrows_the_choices_to_the_users_own(mapped: Path) -> None:
    exported(mapped, "label-studio")
    (tasks,) = _tasks(mapped)
    predictions = [task["predictions"][0] for task in tasks]
    assert [prediction["score"] for prediction in predictions] == [0.125, 0.5, 0.75]
    assert [
        [result["value"]["choices"] for result in prediction["result"]]
        for prediction in predictions
    ] == [[], [["bird"]], [["fish"]]]
    assert validated(mapped / "__export/label-studio") == {
        "tasks": 3,
        "errors": [],
        "choices": ["fish", "cat", "bird", "none of these"],
    }


def test_tasks_come_in_files_in_order_of_doubt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(label_studio, "TASKS_PER_FILE", 100)
    monkeypatch.setattr(label_studio, "_WINDOW", 200)  # so that rows are read several times
    rows = list(plausible(730))
    write_run(tmp_path / "labels", rows)
    exported(tmp_path / "labels", "label-studio")
    files = _tasks(tmp_path / "labels")
    assert [len(tasks) for tasks in files] == [100] * 7 + [30]
    uris = [task["data"]["uri"] for tasks in files for task in tasks]
    assert uris == [row.uri for row in sorted(rows, key=lambda row: row.score or 0)]
    names = sorted(path.name for path in (tmp_path / "labels/__export/label-studio").iterdir())
    assert names[:3] == ["_QUANTLABEL.json", "config.xml", "tasks-00000-of-00008.json"]
