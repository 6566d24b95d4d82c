"""Truths in small tables."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.labels.options import TruthOptions
from pipeline.labels.truth import Truth, load_truth
from pipeline.labels.vocabularies import NetworkClasses
from transforms.errors import UserError
from transforms.network.classes import imagenet


def read_truth(source: str) -> Truth:
    return load_truth(TruthOptions(truth=source), NetworkClasses(imagenet()))


def classes_of(truth: Truth, *uris: str) -> list[int]:
    found: list[int] = truth.classes(uris).tolist()
    return found


def write_table(folder: Path, text: str, *, name: str = "truth.csv") -> str:
    (folder / name).write_text(text, "utf-8")
    return str(folder / name)


def refusal(source: str, *uris: str) -> str:
    with pytest.raises(UserError) as raised:
        read_truth(source).classes(uris)
    return str(raised.value)
