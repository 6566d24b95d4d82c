"""The round of docs/review-round.md with a real Label Studio server in the middle."""

from __future__ import annotations

import json
import urllib.parse
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli import main
from tests.helpers.answers import tasks_of
from tests.helpers.archives import write_tar
from tests.helpers.label_studio_server import Server, label_studio_server
from tests.helpers.networks import own_network
from tests.helpers.pictures import make_pictures

NONE = "none of these"

CLASSES = ["bullet train", 'a "b"/<c> & d', "$crane", "ü" * 300, "Cardigan"]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """12 pictures, 4 of them in an archive, labelled by a network with nasty names."""
    make_pictures(tmp_path / "photos", count=12)
    paths = sorted((tmp_path / "photos").iterdir())
    write_tar(tmp_path / "photos/x.tar", [(path.name, path.read_bytes()) for path in paths[8:]])
    for path in paths[8:]:
        path.unlink()
    (tmp_path / "own.tflite").write_bytes(own_network(5))
    (tmp_path / "labels.txt").write_text("".join(f"{name}\n" for name in CLASSES), "utf-8")
    words = ["--input", tmp_path / "photos", "--output", tmp_path / "run", "--quiet"]
    assert main(["label", *map(str, words), "--model", str(tmp_path / "own.tflite")]) == 0
    return tmp_path / "run"


def _project(server: Server, run: Path) -> int:
    """As docs/review-round.md says: the configuration, where the pictures are, the tasks."""
    place = run / "__review/label-studio"
    config = (place / "config.xml").read_text("utf-8")
    project = server.post("/api/projects/", {"title": "round 1", "label_config": config})["id"]
    for folder in (run.parent / "photos", place / "__pictures"):
        storage = {"project": project, "path": str(folder), "use_blob_urls": True}
        server.post("/api/storages/localfiles/", storage)
    imported = server.post(f"/api/projects/{project}/import", tasks_of(place))
    assert (imported["task_count"], imported["prediction_count"]) == (12, 12)
    return int(project)


def _answer(server: Server, task: int, label: str | None, *, by: int | None = None) -> None:
    """What a person chose; None if the task was skipped."""
    choice = {"from_name": "choice", "to_name": "image", "type": "choices"}
    result = [] if label is None else [{**choice, "value": {"choices": [label]}}]
    said: dict[str, Any] = {"result": result, "was_cancelled": label is None}
    server.post(f"/api/tasks/{task}/annotations/", said | ({"completed_by": by} if by else {}))


@pytest.mark.slow
def test_a_server_shows_the_pictures_and_gives_the_answers_back(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["review", str(run), "--budget", "12", "--copy-pictures"]) == 0
    tasks = tasks_of(run / "__review/label-studio")
    with label_studio_server(tmp_path) as server:
        project = _project(server, run)
        listed = json.loads(server.get(f"/api/tasks?project={project}&page_size=100"))["tasks"]
        assert [each["data"]["uri"] for each in listed] == [each["data"]["uri"] for each in tasks]
        for each in listed:
            address = each["data"]["image"]
            path = urllib.parse.parse_qs(urllib.parse.urlsplit(address).query)["d"][0]
            assert server.get(address) == Path(f"/{path}").read_bytes()
        guesses = [each["predictions"][0]["result"][0]["value"]["choices"][0] for each in tasks]
        others = [CLASSES[(CLASSES.index(guess) + 1) % 5] for guess in guesses]
        second = server.post(
            "/api/users/", {"email": "bob@example.org", "username": "bob", "password": "x" * 12}
        )["id"]
        ids = [each["id"] for each in listed]
        for task, guess, other in zip(ids[:4], guesses, others, strict=False):
            _answer(server, task, other)
            _answer(server, task, other, by=second)
            assert guess != other
        for task, guess in zip(ids[4:7], guesses[4:], strict=False):
            _answer(server, task, guess)
        for task, guess, other in zip(ids[7:9], guesses[7:], others[7:], strict=False):
            _answer(server, task, guess)
            _answer(server, task, other, by=second)
        _answer(server, ids[9], NONE)
        _answer(server, ids[10], None)
        for form, suffix in (("JSON", "json"), ("JSON_MIN", "json"), ("CSV", "csv")):
            content = server.get(f"/api/projects/{project}/export?exportType={form}")
            (tmp_path / f"{form}.{suffix}").write_bytes(content)
    for name, skipped in (("JSON.json", 1), ("JSON_MIN.json", 0), ("CSV.csv", 0)):
        capsys.readouterr()
        assert main(["evaluate", str(run), "--truth", str(tmp_path / name), "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert (found["top1"]["hits"], found["top1"]["of"]) == (3, 8)
        rows = {key: found["rows"][key] for key in ("none_of_these", "disputed", "skipped")}
        assert rows == {"none_of_these": 1, "disputed": 2, "skipped": skipped}
        agreement = found["answers"]["agreement"]
        assert (agreement["pictures"], agreement["unanimous"]) == (6, 4)
        classes = {each["label"]: each["truth"] for each in found["classes"] if each["truth"]}
        assert classes[NONE] == 1
