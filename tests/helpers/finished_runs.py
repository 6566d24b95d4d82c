"""Finished runs that tests make without labelling anything."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from pipeline.run.folder.manifest import Manifest, parse
from pipeline.run.options import LabelOptions
from tests.helpers.rows import failed, prediction
from transforms.network.classes import class_names
from transforms.records import Failure, Prediction
from transforms.rows.schema import failure_table, prediction_table


def write_run(
    folder: Path,
    predictions: Iterable[Prediction],
    failures: Iterable[Failure] = (),
    *,
    rows_per_shard: int = 25_000,
    **manifest: Any,
) -> None:
    """Writes what `quantlabel label` would have written, as Parquet.

    Args:
        folder: to make.
        predictions: any number of rows.
        failures: any number of rows.
        rows_per_shard: few, where a test is about rows in several shards.
        manifest: what differs from that of a plain run, as in `manifest_json`.
    """
    folder.mkdir(parents=True)
    top_k, failed_rows = 5, list(failures)
    lengths: list[int] = []
    for shard in _chunks(predictions, size=rows_per_shard):
        path = folder / f"{len(lengths)}.parquet"
        pq.write_table(prediction_table(shard), path, compression="zstd")
        top_k = len(shard[0].top_class_ids)
        lengths.append(len(shard))
    files: list[dict[str, Any]] = []
    for number, length in enumerate(lengths):
        name = f"predictions-{number:05d}-of-{len(lengths):05d}.parquet"
        data = (folder / f"{number}.parquet").rename(folder / name).read_bytes()
        files.append(_shard(name, length, data))
    rows = sum(lengths)
    if failed_rows:
        name = "__failures/failures-00000-of-00001.jsonl"
        (folder / name).parent.mkdir()
        lines = [json.dumps(row) for row in failure_table(failed_rows).to_pylist()]
        data = "".join(f"{line}\n" for line in lines).encode()
        (folder / name).write_bytes(data)
        files.append(_shard(name, len(failed_rows), data))
    content = manifest_json(
        **{
            "inputs": rows + len(failed_rows),
            "predictions": rows,
            "failures": len(failed_rows),
            "files": files,
            **manifest,
            "options": {"top_k": top_k, **manifest.get("options", {})},
        }
    )
    (folder / "_MANIFEST.json").write_text(json.dumps(content), "utf-8")
    (folder / "_SUCCESS").touch()


def _shard(name: str, rows: int, data: bytes) -> dict[str, Any]:
    digest = hashlib.sha256(data).hexdigest()
    return {"name": name, "rows": rows, "size": len(data), "sha256": digest}


def manifest_json(**changed: Any) -> dict[str, Any]:
    """A manifest as version 0.1.0 wrote it, of a run over nothing.

    Args:
        changed: what is another value; of `options`, `model` and `preprocess` only some keys.
    """
    options = LabelOptions(inputs=("photos",), output="labels")
    content: dict[str, Any] = {
        "version": "0.1.0",
        "started": "2026-01-02T03:04:05.000+00:00",
        "model": {
            "name": "made-up",
            "kind": "tflite",
            "sha256": "ab" * 32,
            "input_size": 128,
            "feature_size": 256,
        },
        "preprocess": {"method": "eval", "size": 128, "views": 1},
        "label_map": None,
        "options": json.loads(json.dumps(dataclasses.asdict(options))),
        "finished": "2026-01-02T03:05:05.000+00:00",
        "status": "succeeded",
        "inputs": 0,
        "predictions": 0,
        "failures": 0,
        "failures_by_reason": {},
        "duplicates": 0,
        "skipped": 0,
        "reused": 0,
        "most_frequent_labels": [],
        "files": [],
        "discarded": [],
    }
    for name, value in changed.items():
        merged = name in ("options", "model", "preprocess")
        content[name] = {**content[name], **value} if merged else value
    return content


def made_up_manifest(**changed: Any) -> Manifest:
    """The same, read; arguments as in `manifest_json`."""
    return parse(json.dumps(manifest_json(**changed)).encode(), "_MANIFEST.json")


def _chunks(rows: Iterable[Prediction], *, size: int) -> Iterator[list[Prediction]]:
    iterator = iter(rows)
    while chunk := list(itertools.islice(iterator, size)):
        yield chunk


def plausible(count: int, *, seed: int = 0) -> Iterator[Prediction]:
    """Rows as a real collection has them: few frequent classes and many rare ones, all scores."""
    random = np.random.RandomState(seed)
    names = class_names()
    for number in range(count):
        first = 1 + int(min(999, random.exponential(120)))
        ids = [first, *(1 + (first + random.randint(1, 999, 4)) % 1000).tolist()]
        best = float(random.beta(1.2, 1.0))
        scores = sorted([best, *((1 - best) * random.dirichlet(np.ones(5))[:4])], reverse=True)
        width, height = ((4000, 3000), (1024, 768), (500, 375), (375, 500))[number % 4]
        yield prediction(number)._replace(
            uri=f"/photos/{number // 1000:04d}/IMG_{number:07d}.jpg",
            sha256=hashlib.sha256(str(number if number % 50 else 0).encode()).hexdigest(),
            width=width,
            height=height,
            class_id=first,
            synset=names[first].synset,
            label=names[first].label,
            score=scores[0],
            top_class_ids=ids,
            top_labels=[names[class_id].label for class_id in ids],
            top_scores=scores,
            embedding=random.rand(256).astype(np.float32),
        )


def some_failures(count: int) -> list[Failure]:
    """Cut-off pictures."""
    return [failed(number) for number in range(count)]


def row_of_file(path: Path, number: int, *, label: str, score: float) -> Prediction:
    """The row of a real file."""
    return prediction(number, uri=str(path))._replace(
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        width=96,
        height=64,
        class_id=10 + len(label),
        synset="n01234567",
        label=label,
        score=score,
        top_labels=[label, "other"],
        top_scores=[score, 0.01],
    )
