"""What FiftyOne opens."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli import main
from tests.helpers.exports import NAMES, exported
from tests.helpers.fiftyone import in_fiftyone


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


_TELL = """
found = [[row.filepath] for row in rows]
for line, row in zip(found, rows, strict=True):
    if row.guess:
        line += [row.guess.label, row.guess.confidence]
print(json.dumps({"media": rows.media_type, "classes": rows.default_classes, "rows": found}))
"""


def _opened(folder: Path) -> dict[str, Any]:
    """What FiftyOne makes of an export."""
    found: dict[str, Any] = json.loads(in_fiftyone(folder, _TELL).splitlines()[-1])
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
rows.export(
    folder + "/guess", kind, label_field="guess", export_media="manifest", data_path="data.json"
)
edited = fiftyone.Dataset()
cat = fiftyone.Classification(label="cat")
edited.add_sample(fiftyone.Sample(filepath=third.filepath, guess=cat))
edited.export(folder + "/edited", samples, export_media=False)
"""
_LABELS = ("copies/labels.json", "manifest/labels.json", "paths/labels.json")
_SAMPLES = ("samples/samples.json", "copied/samples.json")


def test_answers_come_back_from_fiftyone(mapped: Path, capsys: pytest.CaptureFixture[str]) -> None:
    in_fiftyone(mapped, _ANSWER, str(mapped.parent))
    capsys.readouterr()

    def evaluated(name: str, *words: str) -> tuple[int, str, str]:
        truth = str(mapped.parent / name)
        status = main(["evaluate", str(mapped), "--truth", truth, *words, "--json"])
        return status, *capsys.readouterr()

    named = ("--truth-column", "answer")
    for name in (*_LABELS, *_SAMPLES):
        for words in ((), named):
            found = json.loads(evaluated(name, *words)[1])
            answers, top1 = found["answers"], found["top1"]
            assert (name, answers["answers"], answers["skipped"]) == (name, 2, 1)
            assert (name, top1["hits"], top1["of"]) == (name, 1, 2)
            assert answers["may_be_guesses"] == (name in _LABELS and words != named)
    # The field that we wrote: its labels.json looks like any other, and says so.
    found = json.loads(evaluated("guess/labels.json")[1])
    assert (found["top1"]["hits"], found["answers"]["may_be_guesses"]) == (2, True)
    status, _, message = evaluated("guess/labels.json", "--truth-column", "guess")
    assert (status, "guess is the field of what the network guessed" in message) == (1, True)
    # One that was edited has no confidence any more, and is no answer unless somebody says so.
    status, _, message = evaluated("edited/samples.json")
    assert (status, "Found guess, none of people" in message) == (1, True)
    found = json.loads(evaluated("edited/samples.json", "--truth-column", "guess")[1])
    assert (found["top1"]["hits"], found["top1"]["of"]) == (0, 1)
