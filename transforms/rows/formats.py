"""Output formats: one registry of shard writers that take Arrow tables."""

from __future__ import annotations

import contextlib
import gzip
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import IO, Any, Protocol

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from transforms.rows.schema import PREDICTION_COLUMNS, Column
from transforms.rows.tfrecord import example_class, framed

# Of a Parquet column, as they are gathered before they are compressed. The default, a megabyte,
# takes twice the memory; files are as large with either.
_PAGE_BYTES = 128 * 1024

# float32 values in their shortest form, 0.1 and not 0.10000000149011612.
_ORJSON = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE


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
            self._writer = pq.ParquetWriter(
                self._file, table.schema, compression="zstd", data_page_size=_PAGE_BYTES
            )
        self._writer.write_table(table, row_group_size=max(1, table.num_rows))

    def close(self) -> None:
        """Writes the footer."""
        if self._writer is not None:
            self._writer.close()


class ArrowShard:
    """An Arrow IPC file, zstd, a batch a chunk of a table: for rows that will be read again."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._writer: pa.ipc.RecordBatchFileWriter | None = None

    def write(self, table: pa.Table) -> None:
        """Appends batches."""
        if self._writer is None:
            options = pa.ipc.IpcWriteOptions(compression="zstd", use_threads=False)
            self._writer = pa.ipc.new_file(self._file, table.schema, options=options)
        self._writer.write_table(table)

    def close(self) -> None:
        """Writes the footer."""
        if self._writer is not None:
            self._writer.close()


ROWS_PER_BATCH = 250
"""Rows of a batch in an Arrow file, 300 KB: what a merge holds of each of its files."""


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
            self._file.write(b"".join(framed(example(row)) for row in _rows(batch)))

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
        known = column.is_valid().to_pylist()
        numbers = column.to_numpy(zero_copy_only=False)
        return [value if ok else None for value, ok in zip(numbers, known, strict=True)]
    nested = pa.types.is_list(column.type) or pa.types.is_fixed_size_list(column.type)
    if nested and pa.types.is_floating(column.type.value_type):
        lengths = pc.fill_null(column.value_lengths(), 0).to_numpy()
        arrays = np.split(column.flatten().to_numpy(), np.cumsum(lengths)[:-1])
        known = column.is_valid().to_pylist()
        return [array if ok else None for array, ok in zip(arrays, known, strict=True)]
    values: list[Any] = column.to_pylist()
    return values


FEATURE_KEYS: Mapping[str, str] = {column.name: column.key for column in PREDICTION_COLUMNS}
"""Column to tf.train.Example key."""

FILE_NAME = "image/filename"
"""A key besides: the last part of the uri."""


def feature_list(column: Column) -> str:
    """Which of a Feature's three lists holds the values of a column."""
    if pa.types.is_floating(column.value_type):
        return "float_list"
    return "bytes_list" if pa.types.is_string(column.value_type) else "int64_list"


_FEATURES = [(column, feature_list(column)) for column in PREDICTION_COLUMNS]


def example(row: Mapping[str, Any]) -> bytes:
    """A prediction as a serialized tf.train.Example; a value that is None is left out."""
    message = example_class()()
    feature = message.features.feature
    feature[FILE_NAME].bytes_list.value.append(row["uri"].rsplit("/", 1)[-1].encode())
    for column, kind in _FEATURES:
        value = row[column.name]
        if value is not None:
            listed = getattr(feature[column.key], kind)
            listed.SetInParent()  # so that an empty list is told from none
            listed.value.extend(_as_feature(value if column.is_list else [value], kind))
    # deterministic: maps have no order otherwise, and the same rows shall make the same file.
    serialized: bytes = message.SerializeToString(deterministic=True)
    return serialized


def _as_feature(values: Any, kind: str) -> list[Any]:
    if kind == "bytes_list":
        return [value.encode() for value in values]
    if isinstance(values, np.ndarray):
        return list(values.tolist())
    return [float(value) if kind == "float_list" else int(value) for value in values]
