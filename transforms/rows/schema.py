"""Records as Arrow tables: the schema that every output format shares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from transforms.records import Failure, Prediction
from transforms.storage.addresses import text


def prediction_schema(feature_size: int, *, metadata: Mapping[str, str] | None = None) -> pa.Schema:
    """The columns of predictions.

    Args:
        feature_size: length of the embedding; no embedding is ever null, since a null in a
            fixed-size list makes a Parquet file unreadable for several readers.
        metadata: stored with the schema, and so in every Parquet file.
    """
    fields = [
        pa.field("uri", pa.string(), nullable=False),
        pa.field("sha256", pa.string(), nullable=False),
        pa.field("width", pa.int32(), nullable=False),
        pa.field("height", pa.int32(), nullable=False),
        pa.field("format", pa.string(), nullable=False),
        pa.field("class_id", pa.int32(), nullable=False),
        pa.field("synset", pa.string(), nullable=False),
        pa.field("label", pa.string(), nullable=False),
        pa.field("score", pa.float32(), nullable=False),
        pa.field("top_class_ids", pa.list_(pa.int32()), nullable=False),
        pa.field("top_labels", pa.list_(pa.string()), nullable=False),
        pa.field("top_scores", pa.list_(pa.float32()), nullable=False),
        pa.field("embedding", pa.list_(pa.float32(), feature_size), nullable=False),
        pa.field("mapped_label", pa.string()),
        pa.field("mapped_score", pa.float32()),
        pa.field("size", pa.int64()),
        pa.field("version", pa.string()),
        pa.field("meta", pa.string()),
    ]
    return pa.schema(fields, metadata=dict(metadata or {}))


FAILURE_SCHEMA = pa.schema(
    [
        pa.field("uri", pa.string(), nullable=False),
        pa.field("stage", pa.string(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("message", pa.string(), nullable=False),
        pa.field("retryable", pa.bool_(), nullable=False),
        pa.field("size", pa.int64()),
        pa.field("version", pa.string()),
        pa.field("meta", pa.string()),
    ]
)


def prediction_table(
    rows: Sequence[Prediction], *, metadata: Mapping[str, str] | None = None
) -> pa.Table:
    """Predictions, at least one, as a table with `prediction_schema`."""
    schema = prediction_schema(len(rows[0].embedding), metadata=metadata)
    columns = dict(zip(Prediction._fields, zip(*rows, strict=True), strict=True))
    vectors = np.stack(columns.pop("embedding"))
    arrays = {
        "uri": pa.array([text(uri) for uri in columns.pop("uri")], pa.string()),
        "embedding": pa.FixedSizeListArray.from_arrays(vectors.reshape(-1), vectors.shape[1]),
        **{name: pa.array(values, schema.field(name).type) for name, values in columns.items()},
    }
    return pa.Table.from_arrays([arrays[name] for name in schema.names], schema=schema)


def failure_table(rows: Sequence[Failure]) -> pa.Table:
    """Failures, at least one, as a table with `FAILURE_SCHEMA`."""
    columns = dict(zip(Failure._fields, zip(*rows, strict=True), strict=True))
    columns["uri"] = tuple(text(uri) for uri in columns["uri"])
    arrays = [pa.array(columns[field.name], field.type) for field in FAILURE_SCHEMA]
    return pa.Table.from_arrays(arrays, schema=FAILURE_SCHEMA)
