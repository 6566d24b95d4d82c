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
from transforms.rows.formats import FEATURE_KEYS, FILE_NAME, FORMATS, feature_list
from transforms.rows.kinds import RowKind
from transforms.rows.schema import (
    PREDICTION_COLUMNS,
    ROW_SCHEMA_VERSION,
    Column,
    version_of,
    with_columns,
)
from transforms.rows.shards import PIECES
from transforms.rows.tfrecord import DamagedRecordError, example_class, records
from transforms.storage import files

ROWS_PER_TABLE = 10_000
"""12 MB of Arrow memory with the feature vector."""

# Far above any row of ours: a record that claims more is damaged.
_MAX_RECORD = 64 * 1024 * 1024

# An Arrow file is this word, padded to eight bytes, a stream, a footer, and the word again
# (https://arrow.apache.org/docs/format/Columnar.html, IPC File Format).
_ARROW_MAGIC = b"ARROW1"
_ARROW_HEAD = 8


def read_rows(
    path: str,
    *,
    kind: RowKind,
    columns: Sequence[str] | None = None,
    rows: int = ROWS_PER_TABLE,
) -> Iterator[pa.Table]:
    """The rows of one file, in its order, of this schema version or an earlier one.

    Args:
        path: of a shard or piece, local or remote; its name tells the format.
        kind: of its rows.
        columns: names of those that are wanted, in this order; None for all. Columns that are newer
            than the file are null.
        rows: of a table, at most.

    Yields:
        Tables with the types of `transforms.rows.schema`.

    Raises:
        UserError: the file is missing, is not what its name says, or comes from a later version.
    """
    wanted = _columns(kind, columns)
    format = _format(path)
    if format == "parquet":
        return _parquet_tables(path, wanted, rows)
    if format == PIECES:
        return _arrow_tables(path, wanted)
    lines = _jsonl_rows(path) if format == "jsonl" else _tfrecord_rows(path, format=format)
    return _tables(path, _chunks(lines, rows), kind, wanted)


def read_predictions(
    path: str, *, columns: Sequence[str] | None = None, rows: int = ROWS_PER_TABLE
) -> Iterator[pa.Table]:
    """The rows of one file of predictions, see `read_rows`."""
    return read_rows(path, kind=RowKind.PREDICTION, columns=columns, rows=rows)


def read_failures(path: str, *, rows: int = ROWS_PER_TABLE) -> Iterator[pa.Table]:
    """The rows of one file of failures, see `read_rows`."""
    return read_rows(path, kind=RowKind.FAILURE, rows=rows)


def schema_version(path: str) -> int | None:
    """The schema version of a Parquet or Arrow file; None of other formats and of damaged files."""
    try:
        with _open(path) as stream:
            if path.endswith(".parquet"):
                return version_of(pq.read_schema(stream))
            if path.endswith(f".{PIECES}"):
                stream.seek(_ARROW_HEAD)
                return version_of(pa.ipc.open_stream(stream).schema)
    except (pa.ArrowException, OSError, UserError):  # reading it tells why
        pass
    return None


def require_known_version(path: str) -> None:
    """Refuses a file of a later schema version, which holds what this version cannot copy.

    Raises:
        UserError: it is one.
    """
    version = schema_version(path)
    if version is not None:
        _require_known(path, version)


def _require_known(path: str, version: int) -> None:
    if version > ROW_SCHEMA_VERSION:
        raise _newer(path, f"its rows have schema version {version}")


def _newer(path: str, what: str) -> UserError:
    return UserError(
        f"{path}: {what}; this quantlabel knows version {ROW_SCHEMA_VERSION} and no later one. "
        "Use the version of quantlabel that wrote the file, or a later one."
    )


def _columns(kind: RowKind, names: Sequence[str] | None) -> list[Column]:
    known = {column.name: column for column in kind.columns}
    return [known[name] for name in names or known]


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


def _parquet_tables(path: str, columns: Sequence[Column], rows: int) -> Iterator[pa.Table]:
    with _open(path) as stream:
        try:
            file = pq.ParquetFile(stream)
            names = _names_there(path, file.schema_arrow, columns)
            for batch in file.iter_batches(batch_size=rows, columns=names, use_threads=False):
                yield with_columns(pa.Table.from_batches([batch]), columns)
        except (pa.ArrowException, OSError) as error:
            raise _damaged(path, "Parquet", error) from error


def _arrow_tables(path: str, columns: Sequence[Column]) -> Iterator[pa.Table]:
    with _open(path, files.open_briefly) as stream:
        try:
            _require_arrow_end(stream)
            stream.seek(_ARROW_HEAD)
            # Reading by the footer would start threads of Arrow's for good.
            options = pa.ipc.IpcReadOptions(use_threads=False)
            with pa.ipc.open_stream(stream, options=options) as batches:
                _names_there(path, batches.schema, columns)
                for batch in batches:
                    yield with_columns(pa.Table.from_batches([batch]), columns)
        except (pa.ArrowException, OSError) as error:
            raise _damaged(path, "Arrow", error) from error


def _names_there(path: str, schema: pa.Schema, columns: Sequence[Column]) -> list[str]:
    """The names of the wanted columns that a file has; it may lack those that are newer."""
    _require_known(path, version_of(schema))
    there = [column.name for column in columns if column.name in schema.names]
    _require_columns(path, [column for column in columns if column.name not in there])
    return there


def _require_columns(path: str, missing: Sequence[Column]) -> None:
    needed = [column.name for column in missing if column.is_required]
    if needed:
        raise UserError(
            f"{path}: it has no {', '.join(needed)}, so these are not rows of quantlabel. "
            "Label again, or restore the file."
        )


def _require_arrow_end(stream: IO[bytes]) -> None:
    """Tells a whole file from one that was cut off, also where its stream would end well."""
    size = stream.seek(0, io.SEEK_END)
    stream.seek(max(0, size - len(_ARROW_MAGIC)))
    if stream.read() != _ARROW_MAGIC:
        raise pa.ArrowInvalid("it is cut off")


def _tables(
    path: str, chunks: Iterator[list[dict[str, Any]]], kind: RowKind, wanted: Sequence[Column]
) -> Iterator[pa.Table]:
    known = {column.name for column in kind.columns}
    for chunk in chunks:
        # Rows of one file are alike, so the first one tells for all.
        first = chunk[0]
        if unknown := sorted(set(first) - known):
            raise _newer(path, f"its rows have a column {unknown[0]!r}")
        _require_columns(
            path, [column for column in kind.columns if first.get(column.name) is None]
        )
        size = len(first.get("embedding", ()))
        none = any(first.get(column.name) is None for column in kind.columns if column.of_classes)
        own = any(first.get(column.name) is None for column in kind.columns if column.of_imagenet)
        schema = pa.schema(
            [column.field(size, own_classes=own, no_classes=none) for column in wanted]
        )
        try:
            yield pa.Table.from_pylist(chunk, schema=schema)
        except (pa.ArrowException, TypeError) as error:
            raise _damaged(path, kind.value, error) from error


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
    row = {column.name: _value(column, feature.get(column.key)) for column in PREDICTION_COLUMNS}
    # What no column is called shows as a column that nobody knows.
    return row | {key: None for key in feature if key not in _KEYS}


_KEYS = {FILE_NAME, *FEATURE_KEYS.values()}


def _value(column: Column, feature: Any) -> Any:
    if feature is None:
        return None
    values = list(getattr(feature, feature_list(column)).value)
    if pa.types.is_string(column.value_type):
        values = [value.decode() for value in values]
    elif pa.types.is_boolean(column.value_type):
        values = [bool(value) for value in values]
    return values if column.is_list else values[0]


def _damaged(path: str, kind: str, error: Exception) -> UserError:
    return UserError(f"{path}: not readable as {kind} ({error}). Label again, or restore the file.")
