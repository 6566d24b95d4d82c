"""Each format, read by other tools."""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow.parquet as pq
import pytest

from tests.helpers.rows import WILD_URI, prediction
from tests.helpers.written_rows import ROWS, names_in, write_rows
from transforms.records import Prediction
from transforms.rows.shards import Shard
from transforms.rows.write_rows import WritePredictions

URIS = ["/photos/000001.jpg", "/photos/000002.jpg", "/photos/caf\\xe9.jpg", WILD_URI]


def test_parquet_is_sorted_and_read_alike_by_others(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    metadata = {"quantlabel.model_sha256": "ab" * 32}
    (shard,) = write_rows(folder, ROWS, WritePredictions(str(folder), metadata=metadata))
    path = folder / "predictions-00000-of-00001.parquet"
    assert names_in(folder) == [path.name]
    content = path.read_bytes()
    assert shard == Shard(path.name, 4, len(content), hashlib.sha256(content).hexdigest())

    table = pq.read_table(path)
    assert table.column("uri").to_pylist() == URIS
    assert str(table.schema.field("embedding").type) == "fixed_size_list<element: float>[256]"
    assert table.schema.metadata[b"quantlabel.model_sha256"] == b"ab" * 32
    assert pq.ParquetFile(path).metadata.row_group(0).column(0).compression == "ZSTD"

    vector = prediction(1).embedding
    by_duckdb = duckdb.execute(f"select uri, embedding from '{path}'").fetchall()
    assert [uri for uri, _ in by_duckdb] == URIS
    np.testing.assert_array_equal(np.float32(by_duckdb[0][1]), vector)
    by_polars = pl.read_parquet(path)
    assert by_polars["uri"].to_list() == URIS
    assert by_polars["embedding"].dtype == pl.Array(pl.Float32, 256)
    np.testing.assert_array_equal(by_polars["embedding"][0].to_numpy(), vector)
    by_pandas = pd.read_parquet(path)
    assert by_pandas["meta"].dropna().to_dict() == {1: '{"id": 7}'}
    np.testing.assert_array_equal(by_pandas["embedding"][0], vector)


def _by_tensorflow(path: Path, compression: str) -> list[dict[str, Any]]:
    import tensorflow as tf

    rows = []
    for record in tf.data.TFRecordDataset([str(path)], compression_type=compression):
        example = tf.train.Example.FromString(record.numpy())
        row = {}
        for key, feature in example.features.feature.items():
            values = getattr(feature, feature.WhichOneof("kind")).value
            row[key] = [value.decode() if isinstance(value, bytes) else value for value in values]
        rows.append(row)
    return rows


@pytest.mark.parametrize(("format", "compression"), [("tfrecord", ""), ("tfrecord.gz", "GZIP")])
def test_tfrecord_is_read_by_tensorflow(tmp_path: Path, format: str, compression: str) -> None:
    folder = tmp_path / "out"
    write_rows(folder, ROWS, WritePredictions(str(folder), format))
    rows = _by_tensorflow(folder / f"predictions-00000-of-00001.{format}", compression)
    assert [row["image/source_id"] for row in rows] == [[uri] for uri in URIS]
    first = rows[0]
    np.testing.assert_array_equal(
        np.float32(first.pop("image/feature_vector")), prediction(1).embedding
    )
    assert first.pop("image/prediction/score") == pytest.approx([0.1])
    assert first.pop("image/prediction/top_scores") == pytest.approx([0.1, 0.05])
    assert first == {
        "image/filename": ["000001.jpg"],
        "image/format": ["JPEG"],
        "image/height": [480],
        "image/key/sha256": [f"{1:064x}"],
        "image/prediction/class_id": [1],
        "image/prediction/label": ["tabby"],
        "image/prediction/synset": ["n02123045"],
        "image/prediction/top_class_ids": [1, 5],
        "image/prediction/top_labels": ["tabby", "électric ray"],
        "image/size": [100_001],
        "image/source_id": ["/photos/000001.jpg"],
        "image/version": ["1700000000000000001"],
        "image/width": [641],
    }
    assert rows[1]["image/meta"] == ['{"id": 7}']


def test_gzip_says_nothing_of_the_time(tmp_path: Path) -> None:
    write_rows(tmp_path / "out", ROWS, WritePredictions(str(tmp_path / "out"), "tfrecord.gz"))
    content = (tmp_path / "out/predictions-00000-of-00001.tfrecord.gz").read_bytes()
    assert content[4:8] == b"\0\0\0\0"
    assert gzip.decompress(content)


def test_jsonl_has_the_columns_in_order_and_short_floats(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    write_rows(folder, ROWS, WritePredictions(str(folder), "jsonl"))
    lines = (folder / "predictions-00000-of-00001.jsonl").read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    assert [row["uri"] for row in rows] == URIS
    assert list(rows[0]) == list(Prediction._fields)
    assert (rows[0]["score"], rows[0]["top_scores"], rows[0]["meta"]) == (0.1, [0.1, 0.05], None)
    np.testing.assert_array_equal(np.float32(rows[0]["embedding"]), prediction(1).embedding)
