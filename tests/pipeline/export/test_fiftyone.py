"""What FiftyOne opens."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli import main
from tests.helpers.exports import NAMES, exported


def test_fiftyone_finds_every_picture(run: Path) -> None:
    ledger = exported(run, "fiftyone")
    assert (ledger["rows"], ledger["left_out"]) == (2, 3)  # bucket, archive, no extension
    folder = run / "__export/fiftyone"
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
    label_field="guess",
    progress=False,
)
found = [[row.filepath] for row in rows]
for line, row in zip(found, rows, strict=True):
    if row.guess:
        line += [row.guess.label, row.guess.confidence]
"""
_TELL = """
print(json.dumps({"media": rows.media_type, "classes": rows.default_classes, "rows": found}))
"""


def _in_fiftyone(folder: Path, script: str, *words: str) -> str:
    """What a script prints that goes on where an export has been imported."""
    python = os.environ.get("QUANTLABEL_FIFTYONE")
    if not python:
        pytest.skip("no Python with fiftyone (QUANTLABEL_FIFTYONE); see docs/commands/export.md")
    exported(folder, "fiftyone")
    done = subprocess.run(
        [python, "-c", _OPEN + script, str(folder / "__export/fiftyone"), *words],
        capture_output=True,
        text=True,
        env={**os.environ, "FIFTYONE_DO_NOT_TRACK": "true", "PYTHONPATH": ""},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _opened(folder: Path) -> dict[str, Any]:
    """What FiftyOne makes of an export."""
    found: dict[str, Any] = json.loads(_in_fiftyone(folder, _TELL).splitlines()[-1])
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


_ANSWER = """
def said(row, label):
    row["answer"] = fiftyone.Classification(label=label)
    row.save()
first, second, third = rows
said(first, "cat")  # corrected
said(third, "bird")  # agreed; the second is passed over
folder = sys.argv[2]
kind = fiftyone.types.FiftyOneImageClassificationDataset
samples = fiftyone.types.FiftyOneDataset
shared = {"label_field": "answer", "progress": False}
rows.export(folder + "/copies", kind, **shared)
rows.export(folder + "/manifest", kind, data_path="data.json", export_media="manifest", **shared)
rows.export(labels_path=folder + "/paths/labels.json", dataset_type=kind, abs_paths=True, **shared)
rows.export(folder + "/samples", samples, export_media=False, progress=False)
rows.export(folder + "/copied", samples, progress=False)
"""
_EXPORTS = (
    *("copies/labels.json", "manifest/labels.json", "paths/labels.json"),
    *("samples/samples.json", "copied/samples.json"),
)


def test_answers_come_back_from_fiftyone(mapped: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _in_fiftyone(mapped, _ANSWER, str(mapped.parent))
    capsys.readouterr()
    for name in _EXPORTS:
        truth = str(mapped.parent / name)
        assert main(["evaluate", str(mapped), "--truth", truth, "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert (name, found["answers"]["answers"], found["answers"]["skipped"]) == (name, 2, 1)
        assert (name, found["top1"]["hits"], found["top1"]["of"]) == (name, 1, 2)
