"""Input lists: a user's table of uris as text, CSV, JSON lines or Parquet."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterator, Mapping
from typing import IO, Any

from transforms.errors import UserError
from transforms.failures import Reason, read_failure
from transforms.inputs.archives.base import Listed
from transforms.inputs.archives.parquet import open_parquet
from transforms.inputs.meta import meta_json
from transforms.records import ImageRef
from transforms.rows.spreadsheet import from_cell
from transforms.storage import files
from transforms.storage.addresses import shown

INPUT_LIST_EXTENSIONS = frozenset([".txt", ".csv", ".jsonl", ".parquet"])


def list_rows(path: str) -> Iterator[Listed]:
    """What the rows of an input list name, in order; a row that names nothing is a failure.

    Args:
        path: of a file with one of `INPUT_LIST_EXTENSIONS`, on this machine or remote.

    Raises:
        UserError: there is no column `uri`, or the file cannot be read.
    """
    readers = {
        ".txt": _text_rows,
        ".csv": _csv_rows,
        ".jsonl": _jsonl_rows,
        ".parquet": _parquet_rows,
    }
    rows = readers[os.path.splitext(path)[1].lower()](path)
    for where, row in rows:
        uri = row.get("uri") if isinstance(row, Mapping) else None
        if isinstance(uri, str) and uri and _is_text(uri):
            yield ImageRef(_absolute(uri, input_list=path), _meta(row))
        else:
            message = "the row of the input list has no usable uri"
            yield read_failure(f"{path}#{where}", Reason.BAD_LIST_ROW, message)


def _is_text(uri: str) -> bool:
    r"""False for halves of surrogate pairs, which JSON can spell (`"\ud800"`) and no name holds."""
    try:
        uri.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False
    return True


def _absolute(uri: str, *, input_list: str) -> str:
    if "://" in uri:
        return shown(uri)
    if os.path.isabs(uri):
        return os.path.normpath(uri)
    scheme, slashes, folder = os.path.dirname(input_list).rpartition("://")
    return scheme + slashes + os.path.normpath(os.path.join(folder, uri))


def _meta(row: Mapping[str, Any]) -> str | None:
    return meta_json({name: value for name, value in row.items() if name != "uri"})


def _open_text(path: str, *, newline: str) -> IO[str]:
    binary = files.open_read(path)
    return io.TextIOWrapper(binary, "utf-8-sig", errors="surrogateescape", newline=newline)


def _text_rows(path: str) -> Iterator[tuple[str, Any]]:
    with _open_text(path, newline="\n") as lines:
        for number, line in enumerate(lines, start=1):
            if uri := line.rstrip("\r\n"):
                yield f"line {number}", {"uri": uri}


def _csv_rows(path: str) -> Iterator[tuple[str, Any]]:
    with _open_text(path, newline="") as lines:
        rows = csv.DictReader(lines, restkey="more")
        _require_uri(path, columns=list(rows.fieldnames or ()))
        for row in rows:
            yield f"line {rows.line_num}", dict(_cells(row))


def _cells(row: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The row without what exports put before text that looks like a formula."""
    for name, value in row.items():
        yield name, from_cell(value) if name != "uri" and isinstance(value, str) else value


def _jsonl_rows(path: str) -> Iterator[tuple[str, Any]]:
    with _open_text(path, newline="\n") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError:
                row = None
            yield f"line {number}", row


def _parquet_rows(path: str) -> Iterator[tuple[str, Any]]:
    with files.open_read(path) as stream, open_parquet(stream) as file:
        _require_uri(path, columns=file.schema_arrow.names)
        number = 0
        for batch in file.iter_batches(batch_size=1024):
            for row in batch.to_pylist():
                yield f"row {number}", row
                number += 1


def _require_uri(path: str, *, columns: list[str]) -> None:
    if "uri" not in columns:
        found = ", ".join(columns) or "nothing"
        raise UserError(
            f"{path}: the input list has no column 'uri' (found: {found}). "
            "Name the column that holds the pictures' paths 'uri'."
        )
