"""Output formats: one registry of shard writers that take Arrow tables."""

from __future__ import annotations

import contextlib
import functools
import gzip
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import IO, Any, Protocol

import google_crc32c
import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_ORJSON = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE
"""float32 values in their shortest form, 0.1 and not 0.10000000149011612."""


class ShardWriter(Protocol):
    """Writes the tables of one shard, each sorted and of one schema, to one open file."""

    def write(self, table: pa.Table) -> None:
        """Appends the rows of a table; in Parquet they are one row group."""

    def close(self) -> None:
        """Writes what ends the format. The file itself stays open: it is the caller's."""


class ParquetShard:
    """Parquet, zstd, a row group a table, Arrow schema stored (it keeps the fixed-size list)."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._writer: pq.ParquetWriter | None = None

    def write(self, table: pa.Table) -> None:
        """Appends a row group."""
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._file, table.schema, compression="zstd")
        self._writer.write_table(table, row_group_size=max(1, table.num_rows))

    def close(self) -> None:
        """Writes the footer."""
        if self._writer is not None:
            self._writer.close()


class JsonlShard:
    """One JSON object a line, UTF-8, keys in the order of the schema."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def write(self, table: pa.Table) -> None:
        """Appends a line a row."""
        for batch in table.to_batches(max_chunksize=1024):
            self._file.write(b"".join(orjson.dumps(row, option=_ORJSON) for row in _rows(batch)))

    def close(self) -> None:
        """Nothing ends the format."""


class TFRecordShard:
    """tf.train.Example a record, TFRecord framing, without tensorflow."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def write(self, table: pa.Table) -> None:
        """Appends a record a row."""
        for batch in table.to_batches(max_chunksize=1024):
            self._file.write(b"".join(_framed(example(row)) for row in _rows(batch)))

    def close(self) -> None:
        """Nothing ends the format."""


FORMATS: Mapping[str, Callable[[IO[bytes]], ShardWriter]] = {
    "parquet": ParquetShard,
    "tfrecord": TFRecordShard,
    "tfrecord.gz": TFRecordShard,
    "jsonl": JsonlShard,
}
"""Name of the format, which is also the extension of its files, to its writer."""


@contextlib.contextmanager
def encoded(file: IO[bytes], *, format: str) -> Iterator[IO[bytes]]:
    """The stream to write to: compressed where the name ends in `.gz`, with no time stamp in it."""
    if not format.endswith(".gz"):
        yield file
        return
    with gzip.GzipFile(filename="", mode="wb", fileobj=file, compresslevel=6, mtime=0) as zipped:
        yield zipped  # type: ignore[misc]


def _rows(batch: pa.RecordBatch) -> Iterator[dict[str, Any]]:
    """Rows as Python values, floating-point lists as float32 arrays."""
    columns = [_values(column) for column in batch.columns]
    for values in zip(*columns, strict=True):
        yield dict(zip(batch.schema.names, values, strict=True))


def _values(column: pa.Array) -> Iterable[Any]:
    if pa.types.is_floating(column.type):
        return list(column.to_numpy())
    nested = pa.types.is_list(column.type) or pa.types.is_fixed_size_list(column.type)
    if nested and pa.types.is_floating(column.type.value_type):
        lengths = column.value_lengths().to_numpy()
        return np.split(column.flatten().to_numpy(), np.cumsum(lengths)[:-1])
    values: list[Any] = column.to_pylist()
    return values


FEATURE_KEYS: Mapping[str, str] = {
    "uri": "image/source_id",
    "sha256": "image/key/sha256",
    "width": "image/width",
    "height": "image/height",
    "format": "image/format",
    "class_id": "image/prediction/class_id",
    "synset": "image/prediction/synset",
    "label": "image/prediction/label",
    "score": "image/prediction/score",
    "top_class_ids": "image/prediction/top_class_ids",
    "top_labels": "image/prediction/top_labels",
    "top_scores": "image/prediction/top_scores",
    "embedding": "image/feature_vector",
    "meta": "image/meta",
}
"""Column to tf.train.Example key, TF-Slim's where it has one; image/class/* stays free for truth.
`image/filename`, the last part of the uri, is written besides."""


def example(row: Mapping[str, Any]) -> bytes:
    """A prediction as a serialized tf.train.Example; `meta` is absent where it is None."""
    message = _example_class()()
    feature = message.features.feature
    feature["image/filename"].bytes_list.value.append(row["uri"].rsplit("/", 1)[-1].encode())
    for column, key in FEATURE_KEYS.items():
        value = row[column]
        if isinstance(value, np.ndarray):
            feature[key].float_list.value.extend(value.tolist())
        elif isinstance(value, np.floating):
            feature[key].float_list.value.append(float(value))
        elif value is not None:
            _extend(feature[key], value if isinstance(value, list) else [value])
    serialized: bytes = message.SerializeToString(deterministic=True)
    return serialized


def _extend(feature: Any, values: list[Any]) -> None:
    if isinstance(values[0], str):
        feature.bytes_list.value.extend(value.encode() for value in values)
    else:
        feature.int64_list.value.extend(values)


def _framed(record: bytes) -> bytes:
    """The TFRecord frame: length, masked CRC-32C of the length, record, masked CRC of the record.

    Little-endian; https://www.tensorflow.org/tutorials/load_data/tfrecord.
    """
    length = struct.pack("<Q", len(record))
    return b"".join([length, _masked_crc(length), record, _masked_crc(record)])


def _masked_crc(data: bytes) -> bytes:
    crc = google_crc32c.value(data)
    return struct.pack("<I", (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF)


@functools.cache
def _example_class() -> Any:
    """tf.train.Example as protobuf knows it, built here so that no worker needs tensorflow.

    Fields and numbers are those of tensorflow/core/example/{example,feature}.proto. The pool of its
    own keeps the names apart from tensorflow's where a program imports both.
    """
    file = descriptor_pb2.FileDescriptorProto(name="example.proto", package="t", syntax="proto3")
    kind = descriptor_pb2.FieldDescriptorProto

    def message(name: str, *fields: tuple[str, int, int, int, str]) -> Any:
        made = file.message_type.add(name=name)
        for field, number, type_, label, type_name in fields:
            made.field.add(
                name=field, number=number, type=type_, label=label, type_name=type_name or None
            )
        return made

    one, many = kind.LABEL_OPTIONAL, kind.LABEL_REPEATED
    message("BytesList", ("value", 1, kind.TYPE_BYTES, many, ""))
    message("FloatList", ("value", 1, kind.TYPE_FLOAT, many, ""))
    message("Int64List", ("value", 1, kind.TYPE_INT64, many, ""))
    feature = message(
        "Feature",
        ("bytes_list", 1, kind.TYPE_MESSAGE, one, ".t.BytesList"),
        ("float_list", 2, kind.TYPE_MESSAGE, one, ".t.FloatList"),
        ("int64_list", 3, kind.TYPE_MESSAGE, one, ".t.Int64List"),
    )
    feature.oneof_decl.add(name="kind")
    for field in feature.field:
        field.oneof_index = 0
    entry = ".t.Features.FeatureEntry"
    features = message("Features", ("feature", 1, kind.TYPE_MESSAGE, many, entry))
    nested = features.nested_type.add(name="FeatureEntry")
    nested.options.map_entry = True
    nested.field.add(name="key", number=1, type=kind.TYPE_STRING, label=one)
    nested.field.add(
        name="value", number=2, type=kind.TYPE_MESSAGE, label=one, type_name=".t.Feature"
    )
    message("Example", ("features", 1, kind.TYPE_MESSAGE, one, ".t.Features"))
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("t.Example"))
