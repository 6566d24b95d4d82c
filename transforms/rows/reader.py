"""Shards back to rows: every output format as a stream of Arrow tables, bounded in memory."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import IO, Any, cast

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from google.protobuf.message import DecodeError

from transforms.errors import UserError
from transforms.rows.formats import FEATURE_KEYS, FORMATS
from transforms.rows.schema import FAILURE_SCHEMA, prediction_schema
from transforms.rows.shards import PIECES
from transforms.rows.tfrecord import DamagedRecordError, example_class, records
from transforms.storage import files

ROWS_PER_TABLE = 10_000
"""12 MB of Arrow memory with the feature vector."""

_LISTS = ("top_class_ids", "top_labels", "top_scores", "embedding")
_MAX_RECORD = 64 * 1024 * 1024

_ARROW_MAGIC = b"ARROW1"
_ARROW_HEAD = 8
"""An Arrow file is this word, padded to eight bytes, a stream, a footer, and the word again
(https://arrow.apache.org/docs/format/Columnar.html, IPC File Format)."""


def read_predictions(
    path: str, *, columns: Sequence[str] | None = None, rows: int = ROWS_PER_TABLE
) -> Iterator[pa.Table]:
    """The rows of one shard of predictions, in the order of the file.

    Args:
        path: of a file that `WritePredictions` wrote, local or remote; its name tells the format.
        columns: which of `Prediction`'s fields, in this order; None for all.
        rows: of a table, at most.

    Yields:
        Tables with the types of `prediction_schema`.

    Raises:
        UserError: the file is missing or is not what its name says.
    """
    format = _format(path)
    if format == "parquet":
        return _parquet_tables(path, columns, rows)
    if format == PIECES:
        return _arrow_tables(path, columns)
    lines = _jsonl_rows(path) if format == "jsonl" else _tfrecord_rows(path, format=format)
    return _tables(path, _chunks(lines, rows), columns)


def read_failures(path: str, *, rows: int = ROWS_PER_TABLE) -> Iterator[pa.Table]:
    """The rows of one shard of failures, as `read_predictions` does it, with `FAILURE_SCHEMA`."""
    if _format(path) == PIECES:
        yield from _arrow_tables(path, None)
        return
    for chunk in _chunks(_jsonl_rows(path), rows):
        yield pa.Table.from_pylist(chunk, schema=FAILURE_SCHEMA)


def _format(path: str) -> str:
    for name in (PIECES, *sorted(FORMATS, key=len, reverse=True)):
        if path.endswith(f".{name}"):
            return name
    raise UserError(f"{path}: expected a file whose name ends in one of {', '.join(FORMATS)}")


def _open(path: str, how: Callable[[str], IO[bytes]] = files.open_read) -> IO[bytes]:
    try:
        return how(path)
    except FileNotFoundError as error:
        raise UserError(f"{path}: the file is missing. Restore it, or label again.") from error


def _parquet_tables(path: str, columns: Sequence[str] | None, rows: int) -> Iterator[pa.Table]:
    with _open(path) as stream:
        try:
            file = pq.ParquetFile(stream)
            names = list(columns or file.schema_arrow.names)
            for batch in file.iter_batches(batch_size=rows, columns=names, use_threads=False):
                yield pa.Table.from_batches([batch]).select(names)
        except (pa.ArrowException, OSError) as error:
            raise _damaged(path, "Parquet", error) from error


def _arrow_tables(path: str, columns: Sequence[str] | None) -> Iterator[pa.Table]:
    with _open(path, files.open_briefly) as stream:
        try:
            _require_arrow_end(stream)
            stream.seek(_ARROW_HEAD)
            # Reading by the footer would start threads of Arrow's for good.
            options = pa.ipc.IpcReadOptions(use_threads=False)
            for batch in pa.ipc.open_stream(stream, options=options):
                table = pa.Table.from_batches([batch])
                yield table.select(list(columns)) if columns else table
        except (pa.ArrowException, OSError) as error:
            raise _damaged(path, "Arrow", error) from error


def _require_arrow_end(stream: IO[bytes]) -> None:
    """Tells a whole file from one that was cut off, also where its stream would end well."""
    size = stream.seek(0, io.SEEK_END)
    stream.seek(max(0, size - len(_ARROW_MAGIC)))
    if stream.read() != _ARROW_MAGIC:
        raise pa.ArrowInvalid("it is cut off")


def _tables(
    path: str, chunks: Iterator[list[dict[str, Any]]], columns: Sequence[str] | None
) -> Iterator[pa.Table]:
    for chunk in chunks:
        schema = prediction_schema(len(chunk[0]["embedding"]))
        try:
            table = pa.Table.from_pylist(chunk, schema=schema)
        except (pa.ArrowException, TypeError) as error:
            raise _damaged(path, "predictions", error) from error
        yield table.select(list(columns)) if columns else table


def _chunks(rows: Iterator[dict[str, Any]], most: int) -> Iterator[list[dict[str, Any]]]:
    chunk: list[dict[str, Any]] = []
    for row in rows:
        chunk.append(row)
        if len(chunk) == most:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _jsonl_rows(path: str) -> Iterator[dict[str, Any]]:
    with _open(path) as stream:
        for line in stream:
            try:
                row = orjson.loads(line)
            except orjson.JSONDecodeError as error:
                raise _damaged(path, "JSON lines", error) from error
            yield row


def _tfrecord_rows(path: str, *, format: str) -> Iterator[dict[str, Any]]:
    with _open(path) as stream:
        unzipped = gzip.GzipFile(fileobj=stream) if format.endswith(".gz") else stream
        try:
            for record in records(cast("IO[bytes]", unzipped), max_bytes=_MAX_RECORD):
                yield _row(record)
        except (DamagedRecordError, DecodeError, EOFError, OSError, zlib.error) as error:
            raise _damaged(path, "TFRecord", error) from error


def _row(record: bytes) -> dict[str, Any]:
    """A tf.train.Example that `formats.example` wrote, as the columns it was made from."""
    feature = example_class().FromString(record).features.feature
    return {column: _value(column, feature.get(key)) for column, key in FEATURE_KEYS.items()}


def _value(column: str, feature: Any) -> Any:
    if feature is None:
        return None
    values = list(getattr(feature, feature.WhichOneof("kind")).value)
    if values and isinstance(values[0], bytes):
        values = [value.decode() for value in values]
    return values if column in _LISTS else values[0]


def _damaged(path: str, kind: str, error: Exception) -> UserError:
    return UserError(f"{path}: not readable as {kind} ({error}). Label again, or restore the file.")
