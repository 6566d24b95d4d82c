"""Output formats: one registry of shard writers that take Arrow tables."""

from __future__ import annotations

import contextlib
import gzip
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import IO, Any, Protocol

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from transforms.rows.tfrecord import example_class, framed

_PAGE_BYTES = 128 * 1024
"""Of a Parquet column, as they are gathered before they are compressed. The default, a megabyte,
takes twice the memory; files are as large with either."""

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
    "mapped_label": "image/prediction/mapped_label",
    "mapped_score": "image/prediction/mapped_score",
    "size": "image/size",
    "version": "image/version",
    "meta": "image/meta",
}
"""Column to tf.train.Example key, TF-Slim's where it has one; image/class/* stays free for truth.
`image/filename`, the last part of the uri, is written besides."""


def example(row: Mapping[str, Any]) -> bytes:
    """A prediction as a serialized tf.train.Example; a value that is None is left out."""
    message = example_class()()
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
