from __future__ import annotations

from pathlib import Path

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from tests.helpers.rows import WILD_URI, failed, prediction
from transforms.errors import UserError
from transforms.records import Prediction
from transforms.rows.kinds import RowKind
from transforms.rows.reader import read_failures, read_predictions
from transforms.rows.schema import prediction_schema, prediction_table
from transforms.rows.stage_rows import stage_piece
from transforms.rows.write_rows import WriteFailures, WritePredictions

ROWS = [prediction(3, uri=WILD_URI), prediction(1), prediction(2, meta='{"id": 7}')]


FORMATS = ["parquet", "tfrecord", "tfrecord.gz", "jsonl"]


def _write(folder: Path, rows: list[Prediction], format: str) -> str:
    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        _ = pipeline | beam.Create(rows) | WritePredictions(str(folder), format)
    return str(folder / f"predictions-00000-of-00001.{format}")


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_gives_back_what_was_written(tmp_path: Path, format: str) -> None:
    (table,) = read_predictions(_write(tmp_path, ROWS, format))
    assert table.schema.equals(prediction_schema(256))
    rows = table.to_pylist()
    expected = sorted(ROWS, key=lambda row: row.uri)
    for row, written in zip(rows, expected, strict=True):
        vector, scores = row.pop("embedding"), row.pop("top_scores")
        np.testing.assert_array_equal(np.asarray(vector, np.float32), written.embedding)
        np.testing.assert_array_equal(
            np.asarray(scores), np.asarray(written.top_scores, np.float32)
        )
        assert row.pop("score") == np.float32(0.1)
        assert row == {name: getattr(written, name) for name in row}


@pytest.mark.parametrize("format", FORMATS)
def test_columns_come_as_asked_and_in_bounded_tables(tmp_path: Path, format: str) -> None:
    path = _write(tmp_path, ROWS, format)
    tables = list(read_predictions(path, columns=["size", "uri"], rows=2))
    assert [table.num_rows for table in tables] == [2, 1]
    assert pa.concat_tables(tables).column_names == ["size", "uri"]
    assert tables[0]["size"].to_pylist() == [100_001, 100_002]


@pytest.mark.parametrize("format", FORMATS)
def test_a_damaged_shard_is_named(tmp_path: Path, format: str) -> None:
    path = Path(_write(tmp_path, ROWS, format))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(UserError, match=f"{path.name}: not readable as"):
        list(read_predictions(str(path)))
    path.unlink()
    with pytest.raises(UserError, match="is missing"):
        list(read_predictions(str(path)))


@pytest.mark.parametrize("cut", [1, 2_000, 10**9])
def test_a_part_without_its_end_is_named(tmp_path: Path, cut: int) -> None:
    rows = [prediction(number) for number in range(600)]
    path = Path(stage_piece(str(tmp_path), RowKind.PREDICTION, [prediction_table(rows)]).path)
    assert [table.num_rows for table in read_predictions(str(path))] == [250, 250, 100]
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(UserError, match=f"{path.name}: not readable as Arrow"):
        list(read_predictions(str(path)))
    path.unlink()
    with pytest.raises(UserError, match="is missing"):
        list(read_predictions(str(path)))


def test_a_flipped_bit_of_a_tfrecord_is_found(tmp_path: Path) -> None:
    path = Path(_write(tmp_path, ROWS, "tfrecord"))
    content = bytearray(path.read_bytes())
    content[40] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match="wrong checksum of the record at byte 0"):
        list(read_predictions(str(path)))


def test_failures_come_back(tmp_path: Path) -> None:
    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        _ = pipeline | beam.Create([failed(2), failed(1)]) | WriteFailures(str(tmp_path))
    (table,) = read_failures(str(tmp_path / "__failures/failures-00000-of-00001.jsonl"))
    assert table.to_pylist() == [failed(1)._asdict(), failed(2)._asdict()]
