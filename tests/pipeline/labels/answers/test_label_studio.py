"""What Label Studio exports, made by its own converter."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.helpers.answers import SKIP, annotated, converted, read, said, tasks_of
from tests.helpers.exports import exported, row
from tests.helpers.finished_runs import write_run
from transforms.errors import UserError

NAMES = {
    "ann": {"0.jpg": "crane (135)", "1.jpg": "none of these", "2.jpg": SKIP, "3.jpg": "N/A"},
    "bob": {"0.jpg": "crane (518)", "3.jpg": "N/A"},
}


@pytest.fixture
def export(tmp_path: Path) -> Path:
    ids = [283, 135, 518, 10, 11]
    write_run(tmp_path / "labels", [row(f"/p/{at}.jpg", at, ids, 0.5 + at / 10) for at in range(5)])
    exported(tmp_path / "labels", "label-studio")
    return tmp_path / "labels/__export/label-studio"


@pytest.mark.parametrize("form", ["JSON", "JSON_MIN", "CSV"])
def test_every_form_says_the_same(export: Path, tmp_path: Path, form: str) -> None:
    tasks = annotated(tasks_of(export), NAMES)
    path = converted(tasks, config=export / "config.xml", form=form, to=tmp_path / "out")
    answers = {
        (answer.annotator[:3], answer.picture["uri"][3:]): answer.said["label"]
        for answer in read(path)
        if answer.said
    }
    assert answers == {
        ("ann", "0.jpg"): "crane (135)",
        ("ann", "1.jpg"): "none of these",
        ("ann", "3.jpg"): "N/A",
        ("bob", "0.jpg"): "crane (518)",
        ("bob", "3.jpg"): "N/A",
    }
    missing = [answer.picture["uri"][3:] for answer in read(path) if answer.said is None]
    # JSON keeps what was skipped, JSON_MIN and CSV what nobody has looked at.
    assert missing == {"JSON": ["2.jpg"], "JSON_MIN": ["4.jpg"], "CSV": ["4.jpg"]}[form]


def test_tasks_that_nobody_answered_are_refused(export: Path) -> None:
    (path,) = export.glob("tasks-*.json")
    with pytest.raises(UserError, match="these are tasks without an answer"):
        read(path)


def test_the_control_may_be_called_otherwise(tmp_path: Path) -> None:
    def result(name: str, *labels: str) -> dict[str, object]:
        return {"from_name": name, "value": {"choices": list(labels)}}

    annotations = [{"id": 1, "completed_by": 3, "result": [result("species", "cat")]}]
    task = {"id": 1, "data": {"image": "/data/upload/1/0a1b2c3d-a.jpg", "round": 2}}
    path = tmp_path / "export.json"
    path.write_text(json.dumps([{**task, "annotations": annotations}]), "utf-8")
    (answer,) = read(path)
    assert (answer.picture, answer.said) == ({"file": "a.jpg"}, {"label": "cat"})
    assert (answer.annotator, answer.round) == ("3", "2")
    annotations[0]["result"] = [result("species", "cat", "dog"), result("light", "dark")]
    path.write_text(json.dumps([{**task, "annotations": annotations}]), "utf-8")
    with pytest.raises(UserError, match="which control is the answer, light or species"):
        read(path)
    assert said(path, column="species") == [("a.jpg", "several")]
