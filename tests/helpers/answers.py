"""Answers of made-up people in Label Studio, exported by its own converter."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.labels.answers.answer import Answer
from pipeline.labels.answers.read import read_answers
from tests.helpers.label_studio import PACKAGES, require_packages

SKIP = "(skip)"
"""In place of a label: the person passed the task over."""

_CONVERT = """
import sys
from label_studio_sdk.converter import Converter
config, source, target, form = sys.argv[1:]
converter = Converter(open(config, encoding="utf-8").read(), None, download_resources=False)
converter.convert(source, target, form, is_dir=False)
"""

SUFFIX = {"JSON": "json", "JSON_MIN": "json", "CSV": "csv"}


def tasks_of(folder: Path) -> list[dict[str, Any]]:
    """All tasks of an export, in order."""
    paths = sorted(folder.glob("tasks-*.json"))
    return [task for path in paths for task in json.loads(path.read_text("utf-8"))]


def annotated(
    tasks: Sequence[Mapping[str, Any]], said: Mapping[str, Mapping[str, str]]
) -> list[dict[str, Any]]:
    """Tasks as the server exports them.

    Args:
        tasks: as they were imported.
        said: what each person (by name) said of a picture (by the end of its uri).
    """
    return [
        {
            "id": number,
            "data": task["data"],
            "predictions": [],
            "annotations": [
                _annotation(10 * number + at, who, label)
                for at, (who, labels) in enumerate(said.items())
                for name, label in labels.items()
                if task["data"]["uri"].endswith(name)
            ],
        }
        for number, task in enumerate(tasks, start=1)
    ]


def _annotation(number: int, who: str, label: str) -> dict[str, Any]:
    choice = {"type": "choices", "from_name": "choice", "to_name": "image", "id": "a"}
    result = [{**choice, "value": {"choices": [label]}, "origin": "manual"}]
    time = f"2026-11-01T00:00:{number % 60:02d}Z"
    return {
        "id": number,
        "completed_by": {"id": 1 + len(who), "email": f"{who}@example.org"},
        "was_cancelled": label == SKIP,
        "result": [] if label == SKIP else result,
        "created_at": time,
        "updated_at": time,
        "lead_time": 3.2,
    }


def converted(tasks: Sequence[Mapping[str, Any]], *, config: Path, form: str, to: Path) -> Path:
    """The file that Label Studio's own converter makes of them."""
    require_packages()
    to.mkdir(parents=True, exist_ok=True)
    raw = to / "raw.json"
    raw.write_text(json.dumps(tasks), "utf-8")
    target = to / form
    done = subprocess.run(
        [sys.executable, "-c", _CONVERT, str(config), str(raw), str(target), form],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(PACKAGES)},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return target / f"result.{SUFFIX[form]}"


def read(path: Path, *, column: str | None = None) -> list[Answer]:
    """All answers of a file."""
    return list(read_answers(str(path), column=column))


def said(path: Path, *, column: str | None = None) -> list[tuple[str, str]]:
    """The end of each picture's address and what was said of it."""
    return [
        (
            next(iter(answer.picture.values())).rpartition("/")[2],
            answer.missing if answer.said is None else "/".join(answer.said.values()),
        )
        for answer in read(path, column=column)
    ]
