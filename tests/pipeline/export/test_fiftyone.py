"""What FiftyOne opens."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

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
    exported(folder, "fiftyone")
    done = subprocess.run(
        [python, "-c", _OPEN, str(folder / "__export/fiftyone")],
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
