"""Which classes are taken for which."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.evaluations import evaluated


def test_classes_have_precision_and_recall(
    run: Path, truth: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    classes = evaluated(capsys, run, truth)["classes"]
    assert [
        (each["label"], each["truth"], each["predicted"], each["precision"], each["recall"])
        for each in classes
    ] == [
        ("tench", 1, 3, 1 / 3, 1.0),
        ("goldfish", 3, 1, 1.0, 1 / 3),
        ("great white shark", 1, 0, None, 0.0),
    ]


def test_confused_pairs_are_ranked(
    run: Path, truth: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluated(capsys, run, truth)["confused"] == [
        {
            "truth": {"class_id": 2, "synset": "n01443537", "label": "goldfish"},
            "predicted": {"class_id": 1, "synset": "n01440764", "label": "tench"},
            "rows": 2,
        }
    ]
