"""A folder for `datasets.load_dataset`: Parquet with its features, and a card."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.export.source import Counts, Source
from transforms.storage import files
from transforms.storage.addresses import is_utf8, name_of

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
    are asked for; `push_to_hub` uploads them. It is null for pictures inside archives and for those
    that are gone, and where the name of the file is not UTF-8. `label` is a ClassLabel, null of a
    network without classes; labels of one's own are beside it as `mapped_label`, null where the map
    gave none, or `head_label`.
    """
    schema = _schema(source)
    rows = gone = 0
    shards = source.shards(columns=(*_COLUMNS, *(source.label_columns if source.own else ())))
    for number, tables in enumerate(shards):
        name = f"data/train-{number:05d}-of-{len(shards):05d}.parquet"
        with (
            files.create(files.join(folder, name)) as file,
            pq.ParquetWriter(file, schema, compression="zstd") as writer,
        ):
            for table in tables:
                writer.write_table(_table(table, schema, source))
                gone += sum(map(source.is_gone, table["uri"].to_pylist()))
                rows += table.num_rows
    files.write_bytes(files.join(folder, "README.md"), _card(source, rows).encode())
    return Counts(rows, gone=gone)


def _table(table: pa.Table, schema: pa.Schema, source: Source) -> pa.Table:
    images = [_image(source, uri) for uri in table["uri"].to_pylist()]
    columns = {
        "image": pa.array(images, _IMAGE),
        "label": _positions(table["class_id"], list(source.names)),
        **{name: table[name].cast(schema.field(name).type) for name in _COLUMNS},
    }
    if source.own_labels:
        label, score = source.label_columns
        columns[label] = _positions(table[label], source.own_labels)
        columns[score] = table[score].cast(pa.float32())
    return pa.table(columns, schema=schema)


def _image(source: Source, uri: str) -> dict[str, Any] | None:
    path = name_of(source.picture(uri) or "")
    shown = path and is_utf8(path) and not source.is_gone(uri)
    return {"bytes": None, "path": path} if shown else None


def _positions(column: pa.ChunkedArray, values: list[Any]) -> pa.ChunkedArray:
    """As a ClassLabel has them, int64; null stays null."""
    return pc.index_in(column, value_set=pa.array(values, column.type)).cast(pa.int64())


def _schema(source: Source) -> pa.Schema:
    """With the features as `datasets` stores them: Sequence is what every version reads."""
    size = source.run.manifest.model.feature_size
    features: dict[str, Any] = {
        "image": {"_type": "Image"},
        # A ClassLabel without names cannot be loaded.
        "label": _class_label(list(source.names.values())) if source.names else _value("int64"),
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
    if source.own_labels:
        label, score = source.label_columns
        features |= {label: _class_label(source.own_labels), score: _value("float32")}
        fields += [(label, pa.int64()), (score, pa.float32())]
    # Where `datasets` looks for features; without them labels would be mere numbers.
    metadata = {
        "huggingface": json.dumps({"info": {"features": features}}),
        "quantlabel.version": source.run.manifest.version,
    }
    return pa.schema(fields, metadata=metadata)


def _class_label(names: list[str]) -> dict[str, Any]:
    return {"_type": "ClassLabel", "names": names}


def _value(dtype: str) -> dict[str, Any]:
    return {"_type": "Value", "dtype": dtype}


def _sequence(dtype: str, *, length: int = -1) -> dict[str, Any]:
    return {"_type": "Sequence", "feature": _value(dtype), "length": length}


def _card(source: Source, rows: int) -> str:
    model = source.run.manifest.model
    return f"""---
configs:
- config_name: default
  data_files:
  - split: train
    path: data/train-*.parquet
task_categories:
- image-classification
---

{rows:,} pictures labelled by {model.name} (sha256 {model.sha256}).
`label` is what the network guessed, not the truth; `score` is the softmax of the guess and
`embedding` the feature vector.
"""
