"""Finished runs made of made-up rows, for tests of what reads them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from tests.rows import prediction
from transforms.formats import JsonlShard
from transforms.labels import class_names
from transforms.records import Failure, Prediction
from transforms.tables import failure_table, prediction_table


def labelled(uri: str, top: dict[int, float], **others: Any) -> Prediction:
    """A row whose best classes and their scores are `top`, best first."""
    names = [class_names()[class_id] for class_id in top]
    return prediction(0, uri=uri)._replace(
        class_id=names[0].class_id,
        synset=names[0].synset,
        label=names[0].label,
        score=next(iter(top.values())),
        top_class_ids=list(top),
        top_labels=[name.label for name in names],
        top_scores=list(top.values()),
        **others,
    )


def finished_run(
    folder: Path,
    predictions: Sequence[Prediction],
    failures: Sequence[Failure] = (),
    **manifest: Any,
) -> None:
    """Writes a folder as a run leaves it, each half of the predictions in a shard of its own.

    Args:
        folder: to make.
        predictions: at least two.
        failures: any number.
        manifest: what differs from that of a plain run.
    """
    folder.mkdir()
    files = []
    middle = len(predictions) // 2
    for at, rows in enumerate((predictions[:middle], predictions[middle:])):
        name = f"predictions-{at:05d}-of-00002.parquet"
        pq.write_table(prediction_table(rows), folder / name)
        files.append({"name": name, "rows": len(rows)})
    if failures:
        name = "failures-00000-of-00001.jsonl"
        with (folder / name).open("wb") as file:
            JsonlShard(file).write(failure_table(failures))
        files.append({"name": name, "rows": len(failures)})
    whole = {
        "started": "2026-01-01T00:00:00.000+00:00",
        "model": {"name": "net", "sha256": "ab" * 32, "input_size": 128, "feature_size": 256},
        "preprocess": {"method": "eval", "size": 128, "views": 1},
        "options": {"top_k": len(predictions[0].top_class_ids)},
        "inputs": len(predictions) + len(failures),
        "predictions": len(predictions),
        "files": files,
        **manifest,
    }
    (folder / "_MANIFEST.json").write_text(json.dumps(whole), "utf-8")
    (folder / "_SUCCESS").touch()
