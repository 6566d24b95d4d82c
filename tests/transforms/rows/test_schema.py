"""One declaration of each column, and all that is derived from it."""

from __future__ import annotations

import io
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from apache_beam.typehints import Optional

from pipeline.beam_yaml import beam_type
from tests.helpers.rows import failed, prediction
from transforms.errors import UserError
from transforms.records import Failure, Prediction
from transforms.rows import formats, kinds, merge_pieces, reader, schema
from transforms.rows.formats import FORMATS, encoded
from transforms.rows.kinds import RowKind
from transforms.rows.reader import read_rows
from transforms.rows.schema import (
    FAILURE_COLUMNS,
    FAILURE_SCHEMA,
    PREDICTION_COLUMNS,
    ROW_SCHEMA_VERSION,
    Column,
    prediction_schema,
    prediction_table,
)
from transforms.rows.shards import Piece, write_piece
from transforms.rows.stage_rows import stage_piece

RECORDS: dict[RowKind, Any] = {RowKind.PREDICTION: Prediction, RowKind.FAILURE: Failure}

LATER = ROW_SCHEMA_VERSION + 1

FIRST_PREDICTIONS = """
uri: string not null
sha256: string not null
width: int32 not null
height: int32 not null
format: string not null
class_id: int32 not null
synset: string not null
label: string not null
score: float not null
top_class_ids: list<item: int32> not null
top_labels: list<item: string> not null
top_scores: list<item: float> not null
embedding: fixed_size_list<item: float>[512] not null
mapped_label: string
mapped_score: float
size: int64
version: string
meta: string
""".strip()
"""Of schema version 1. These stay; what comes later says `since` and is nullable."""

FIRST_FAILURES = """
uri: string not null
stage: string not null
reason: string not null
message: string not null
retryable: bool not null
size: int64
version: string
meta: string
""".strip()

FIRST_KEYS = [
    *["image/source_id", "image/key/sha256", "image/width", "image/height", "image/format"],
    *["image/prediction/class_id", "image/prediction/synset", "image/prediction/label"],
    *["image/prediction/score", "image/prediction/top_class_ids", "image/prediction/top_labels"],
    *["image/prediction/top_scores", "image/feature_vector", "image/prediction/mapped_label"],
    *["image/prediction/mapped_score", "image/size", "image/version", "image/meta"],
]


def _first(columns: Sequence[Column]) -> str:
    fields = [column.field(512) for column in columns if column.since == 1]
    return "\n".join(
        f"{field.name}: {field.type}{'' if field.nullable else ' not null'}" for field in fields
    )


def test_the_columns_of_the_first_version_stay_as_they_are() -> None:
    assert _first(PREDICTION_COLUMNS) == FIRST_PREDICTIONS
    assert _first(FAILURE_COLUMNS) == FIRST_FAILURES
    assert [column.key for column in PREDICTION_COLUMNS if column.since == 1] == FIRST_KEYS


def test_later_columns_are_nullable_and_raise_the_version() -> None:
    for column in (*PREDICTION_COLUMNS, *FAILURE_COLUMNS):
        assert column.nullable or column.since == 1, column.name
        assert 1 <= column.since <= ROW_SCHEMA_VERSION


@pytest.mark.parametrize("kind", RowKind)
def test_records_have_the_fields_of_the_schema(kind: RowKind) -> None:
    """In the same order, of the same type, with None where a row need not have a value."""
    record = RECORDS[kind]
    assert record._fields == tuple(column.name for column in kind.columns)
    hints = typing.get_type_hints(record)
    for column in kind.columns:
        given = typing.get_args(hints[column.name])
        assert (type(None) in given) != column.is_required, column.name
        assert (column.name in record._field_defaults) == column.nullable, column.name


def test_keys_of_features_are_distinct() -> None:
    keys = [column.key for column in PREDICTION_COLUMNS]
    assert len({*keys, formats.FILE_NAME}) == len(keys) + 1


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("uri", str),
        ("width", np.int32),
        ("score", np.float32),
        ("top_labels", Sequence[str]),
        ("embedding", Sequence[np.float32]),
        ("mapped_label", Optional[str]),
        ("mapped_score", Optional[np.float32]),
        ("size", Optional[np.int64]),
    ],
)
def test_types_in_beam_yaml(name: str, expected: Any) -> None:
    (column,) = [column for column in PREDICTION_COLUMNS if column.name == name]
    assert beam_type(column) == expected


def test_a_truth_value_is_one_in_beam_yaml() -> None:
    (column,) = [column for column in FAILURE_COLUMNS if column.name == "retryable"]
    assert beam_type(column) is bool


NEW_TYPES: dict[str, tuple[pa.DataType, list[Any]]] = {
    "text": (pa.string(), ["a", "", "é"]),
    "flag": (pa.bool_(), [True, False, True]),
    "count": (pa.int64(), [1, 0, 2**40]),
    "share": (pa.float32(), [0.5, 0.0, 0.25]),
    "exact": (pa.float64(), [0.5, 0.0, 0.25]),
    "words": (pa.list_(pa.string()), [["a", "b"], [], ["c"]]),
    "numbers": (pa.list_(pa.int32()), [[1, 2], [], [3]]),
    "shares": (pa.list_(pa.float32()), [[0.5, 0.25], [], [1.0]]),
}
"""Whatever a new column may hold, in three rows; a fourth has none."""


@pytest.fixture
def wider(monkeypatch: pytest.MonkeyPatch) -> tuple[Column, ...]:
    """The schema as a later version may have it."""
    columns = (
        *PREDICTION_COLUMNS,
        *(
            Column(name=name, type=type_, nullable=True, since=LATER)
            for name, (type_, _) in NEW_TYPES.items()
        ),
    )
    metadata = {"quantlabel.row_schema_version": str(LATER)}
    for module in (schema, formats, kinds, reader):
        monkeypatch.setattr(module, "PREDICTION_COLUMNS", columns)
    for module in (schema, merge_pieces):
        monkeypatch.setattr(module, "VERSION_METADATA", metadata)
    for module in (schema, reader):
        monkeypatch.setattr(module, "ROW_SCHEMA_VERSION", LATER)
    features = [(column, formats.feature_list(column)) for column in columns]
    monkeypatch.setattr(formats, "_FEATURES", features)
    monkeypatch.setattr(reader, "_KEYS", {formats.FILE_NAME, *(c.key for c in columns)})
    return columns


def _wide_table(columns: Sequence[Column]) -> pa.Table:
    rows = _first_version([prediction(number) for number in range(4)]).to_pylist()
    for name, (_, values) in NEW_TYPES.items():
        for row, value in zip(rows, [*values, None], strict=True):
            row[name] = value
    fields = [column.field(256) for column in columns]
    metadata = {"quantlabel.row_schema_version": str(LATER)}
    return pa.Table.from_pylist(rows, schema=pa.schema(fields, metadata=metadata))


def _first_version(rows: Sequence[Prediction]) -> pa.Table:
    """What a program without the new columns writes."""
    fields = [column.field(256) for column in PREDICTION_COLUMNS]
    listed = [{**row._asdict(), "embedding": row.embedding.tolist()} for row in rows]
    return pa.Table.from_pylist(listed, schema=pa.schema(fields))


@pytest.mark.parametrize("format", [*FORMATS, "arrow"])
def test_every_column_goes_through_every_format_and_back(
    wider: tuple[Column, ...], tmp_path: Path, format: str
) -> None:
    table = _wide_table(wider)
    piece = write_piece(str(tmp_path), f"predictions-0.{format}", [table], format=format)
    (found,) = read_rows(piece.path, kind=RowKind.PREDICTION)
    assert found.equals(table)


def test_others_read_every_column_of_a_tfrecord(wider: tuple[Column, ...]) -> None:
    file = io.BytesIO()
    writer = FORMATS["tfrecord"](file)
    writer.write(_wide_table(wider).slice(0, 1))
    feature = tf.train.Example.FromString(file.getvalue()[12:-4]).features.feature
    assert feature["image/prediction/words"].bytes_list.value == [b"a", b"b"]
    assert feature["image/prediction/flag"].int64_list.value == [1]
    assert feature["image/prediction/exact"].float_list.value == [0.5]


@pytest.mark.parametrize("format", [*FORMATS, "arrow"])
def test_rows_of_an_earlier_version_are_read_with_nulls(
    wider: tuple[Column, ...], tmp_path: Path, format: str
) -> None:
    rows = [prediction(number) for number in range(3)]
    older = _first_version(rows)
    path = str(tmp_path / f"predictions-0.{format}")
    _write_older(path, older, format)
    (found,) = read_rows(path, kind=RowKind.PREDICTION)
    assert found.schema.equals(pa.schema([column.field(256) for column in wider]))
    assert found.select(older.column_names).equals(older)
    assert [found[name].null_count for name in NEW_TYPES] == [3] * len(NEW_TYPES)
    (chosen,) = read_rows(path, kind=RowKind.PREDICTION, columns=["words", "uri"])
    assert chosen.to_pylist() == [{"words": None, "uri": row.uri} for row in rows]


def _write_older(path: str, table: pa.Table, format: str) -> None:
    """With the other library where there is one: ours writes all columns that it knows."""
    if format == "parquet":
        pq.write_table(table, path)
    elif format == "arrow":
        with pa.OSFile(path, "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
            writer.write_table(table)
    else:
        nulls = [pa.nulls(table.num_rows, type_) for type_, _ in NEW_TYPES.values()]
        whole = pa.table([*table.columns, *nulls], names=[*table.column_names, *NEW_TYPES])
        with open(path, "wb") as file, encoded(file, format=format) as stream:
            FORMATS[format](stream).write(table if format == "jsonl" else whole)


def test_pieces_of_two_versions_are_merged(wider: tuple[Column, ...], tmp_path: Path) -> None:
    older = _first_version([prediction(number) for number in (7, 8)])
    new = stage_piece(str(tmp_path), RowKind.PREDICTION, [_wide_table(wider)])
    old = stage_piece(str(tmp_path), RowKind.PREDICTION, [older])
    merge = merge_pieces._Merge(str(tmp_path), RowKind.PREDICTION, "parquet")
    (merged,) = merge.process((0, [[old, new]]), {"a": "b"})
    table = pq.read_table(merged.path)
    assert table["uri"].to_pylist() == [prediction(number).uri for number in (0, 1, 2, 3, 7, 8)]
    assert table["words"].to_pylist() == [["a", "b"], [], ["c"], None, None, None]
    assert table.schema.metadata[b"quantlabel.row_schema_version"] == b"%d" % LATER
    assert table.schema.metadata[b"a"] == b"b"


@pytest.mark.parametrize("format", [*FORMATS, "arrow"])
def test_rows_of_a_later_version_are_refused_in_a_line(
    wider: tuple[Column, ...], tmp_path: Path, format: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = _wide_table(wider)
    piece = write_piece(str(tmp_path), f"predictions-0.{format}", [table], format=format)
    monkeypatch.undo()
    with pytest.raises(
        UserError, match=rf"^[^\n]*this quantlabel knows version {LATER - 1} and no later one"
    ):
        list(read_rows(piece.path, kind=RowKind.PREDICTION, columns=["uri"]))


@pytest.mark.parametrize("format", FORMATS)
def test_a_file_without_a_column_that_every_row_has_is_named(tmp_path: Path, format: str) -> None:
    table = prediction_table([prediction(1)])
    path = tmp_path / f"predictions-0.{format}"
    if format == "parquet":
        pq.write_table(table.drop_columns(["embedding"]), path)
    else:
        blank = table.set_column(
            table.column_names.index("embedding"), "embedding", pa.nulls(1, pa.string())
        )
        with path.open("wb") as file, encoded(file, format=format) as stream:
            FORMATS[format](stream).write(blank)
    with pytest.raises(UserError, match="it has no embedding, so these are not rows of quantlabel"):
        list(read_rows(str(path), kind=RowKind.PREDICTION))


def test_every_parquet_file_says_its_version(tmp_path: Path) -> None:
    expected = {b"quantlabel.row_schema_version": b"%d" % ROW_SCHEMA_VERSION}
    assert prediction_schema(256).metadata == FAILURE_SCHEMA.metadata == expected
    piece: Piece = stage_piece(str(tmp_path), RowKind.FAILURE, [RowKind.FAILURE.table([failed(1)])])
    assert reader.schema_version(piece.path) == ROW_SCHEMA_VERSION
