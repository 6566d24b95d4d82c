"""A folder for `datasets.load_dataset`: Parquet with its features, and a card."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.export.source import Counts, Source, is_member
from transforms import storage
from transforms.read_rows import read_predictions

_COLUMNS = (
    "uri",
    "sha256",
    "width",
    "height",
    "class_id",
    "synset",
    "score",
    "top_class_ids",
    "top_labels",
    "top_scores",
    "embedding",
)
_IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])

_VALUES = {
    "uri": "string",
    "sha256": "string",
    "width": "int32",
    "height": "int32",
    "class_id": "int32",
    "synset": "string",
    "score": "float32",
}


def write_huggingface(source: Source, folder: str) -> Counts:
    """Writes `data/train-*.parquet`, a shard for each of the run's, and `README.md`.

    `image` holds the path and no bytes, so the pictures stay where they are and are read when they
    are asked for; `push_to_hub` uploads them. Of pictures inside archives it is null. `label` is a
    ClassLabel.
    """
    schema = _schema(source)
    index = {class_id: at for at, class_id in enumerate(source.names)}
    rows = 0
    shards = source.run.shards("predictions")
    for number, shard in enumerate(shards):
        name = f"data/train-{number:05d}-of-{len(shards):05d}.parquet"
        with (
            storage.create(storage.join(folder, name)) as file,
            pq.ParquetWriter(file, schema, compression="zstd") as writer,
        ):
            for table in read_predictions(shard, columns=_COLUMNS):
                writer.write_table(_table(table, schema, index))
                rows += table.num_rows
    storage.write_bytes(storage.join(folder, "README.md"), _card(source, rows).encode())
    return Counts(rows)


def _table(table: pa.Table, schema: pa.Schema, index: dict[int, int]) -> pa.Table:
    images = [
        None if is_member(uri) else {"bytes": None, "path": uri} for uri in table["uri"].to_pylist()
    ]
    labels = [index[class_id] for class_id in table["class_id"].to_pylist()]
    columns = {
        "image": pa.array(images, _IMAGE),
        "label": pa.array(labels, pa.int64()),
        **{name: table[name].cast(schema.field(name).type) for name in _COLUMNS},
    }
    return pa.table(columns, schema=schema)


def _schema(source: Source) -> pa.Schema:
    """With the features as `datasets` stores them: Sequence is what every version reads."""
    size = source.run.manifest["model"]["feature_size"]
    features: dict[str, Any] = {
        "image": {"_type": "Image"},
        "label": {"_type": "ClassLabel", "names": list(source.names.values())},
        **{name: _value(dtype) for name, dtype in _VALUES.items()},
        "top_class_ids": _sequence("int32"),
        "top_labels": _sequence("string"),
        "top_scores": _sequence("float32"),
        "embedding": _sequence("float32", length=size),
    }
    fields = [
        ("image", _IMAGE),
        ("label", pa.int64()),
        *((name, pa.type_for_alias(dtype)) for name, dtype in _VALUES.items()),
        ("top_class_ids", pa.list_(pa.int32())),
        ("top_labels", pa.list_(pa.string())),
        ("top_scores", pa.list_(pa.float32())),
        ("embedding", pa.list_(pa.float32(), size)),
    ]
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    return pa.schema(fields, metadata=metadata)


def _value(dtype: str) -> dict[str, Any]:
    return {"_type": "Value", "dtype": dtype}


def _sequence(dtype: str, *, length: int = -1) -> dict[str, Any]:
    return {"_type": "Sequence", "feature": _value(dtype), "length": length}


def _card(source: Source, rows: int) -> str:
    model = source.run.manifest["model"]
    return f"""---
configs:
- config_name: default
  data_files:
  - split: train
    path: data/train-*.parquet
task_categories:
- image-classification
---

{rows:,} pictures labelled by {model["name"]} (sha256 {model["sha256"]}).
`label` is what the network guessed, not the truth; `score` is the softmax of the guess and
`embedding` the feature vector.
"""
