"""Runs whose vectors a head can tell apart."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from pipeline.cli import main
from tests.helpers.rows import prediction
from transforms.records import Prediction

MODEL = {
    "name": "net",
    "kind": "tflite",
    "sha256": "ab" * 32,
    "input_size": 128,
    "feature_size": 256,
}


NAMES = ("ant", "bee", "cat")


def _vector(kind: int, random: np.random.RandomState) -> Any:
    """Vectors around a corner for each kind."""
    vector = random.uniform(size=256).astype(np.float32)
    vector[kind] += 3
    return vector


def head_rows(count: int, *, kinds: int) -> list[Prediction]:
    """Pictures of some kinds in turn, in folders called like them."""
    random = np.random.RandomState(0)
    return [
        prediction(at, uri=f"/p/{NAMES[at % kinds]}/{at:03d}.jpg")._replace(
            embedding=_vector(at % kinds, random)
        )
        for at in range(count)
    ]


def head_json(capsys: pytest.CaptureFixture[str], *words: object) -> Any:
    assert main([*map(str, words), "--json"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    return json.loads(captured.out)


def labelled_rows(folder: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for path in sorted((folder / "__head").glob("predictions-*.parquet")):
        rows += pq.read_table(path).to_pylist()
    return rows
