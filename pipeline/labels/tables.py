"""Tables that a user hands in (truth, label maps): CSV, JSON lines or Parquet as named rows.

Unlike the input lists of `label --input`, whose broken lines are failures of a run that goes on, a
line that cannot be read stops everything here: what it says would be missing without a trace.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import IO, Any, NamedTuple

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from transforms.errors import UserError
from transforms.rows.spreadsheet import from_cell
from transforms.storage import files
from transforms.storage.addresses import text


class Row(NamedTuple):
    """A row of a table.

    Attributes:
        where: the file and the line (or row, in Parquet) for messages, the first line being 1.
        values: text by column, without what is empty or null.
    """

    where: str
    values: Mapping[str, str]


def rows(path: str) -> Iterator[Row]:
    """Reads a table row by row.

    Args:
        path: a .csv (with a heading), .jsonl or .parquet file, local or remote.

    Yields:
        The rows in the order of the file, blank lines left out.

    Raises:
        UserError: the file is missing or has another extension, or a line cannot be read.
    """
    readers = {".csv": _csv_rows, ".jsonl": _jsonl_rows, ".parquet": _parquet_rows}
    extension = os.path.splitext(path)[1].lower()
    if extension not in readers:
        raise UserError(f"{path}: expected a .csv, .jsonl or .parquet file")
    try:
        stream = files.open_read(path)
    except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or 'no such file'}") from error
    with stream:
        yield from readers[extension](path, stream)


def own_label(row: Row) -> str:
    """The column `label`, without white space around it.

    Raises:
        UserError: there is none, or it is not UTF-8 and so could not be written anywhere.
    """
    if "label" not in row.values:
        found = ", ".join(row.values) or "nothing"
        raise UserError(f"{row.where}: expected a column label, found {found}")
    label = row.values["label"].strip()
    if label != text(label):
        raise UserError(f"{row.where}: the label {text(label)} is not UTF-8. Save the table so.")
    return label


def _csv_rows(path: str, stream: IO[bytes]) -> Iterator[Row]:
    # As in `transforms.inputs.input_lists`: Excel's mark, and names of files that are not UTF-8.
    lines = io.TextIOWrapper(stream, encoding="utf-8-sig", errors="surrogateescape", newline="")
    reader = csv.DictReader(lines, strict=True)
    try:
        for values in reader:
            where = f"{path} line {reader.line_num}"
            # Where `DictReader` puts cells beyond the heading.
            if None in values:
                raise UserError(
                    f"{where}: more than the {len(reader.fieldnames or ())} columns of the "
                    "heading. Put quotes around text with commas."
                )
            cells = ((name, _from_cell(name, value)) for name, value in values.items())
            yield Row(where, _texts(cells))
    except csv.Error as error:  # the line that it stumbles over is not counted yet
        where = f"{path} line {reader.line_num + 1}"
        raise UserError(f"{where}: not readable as CSV ({error})") from error


def _from_cell(name: str, value: str | None) -> str | None:
    """What exports make harmless for spreadsheets; never addresses of pictures."""
    return value if value is None or name in ("uri", "file") else from_cell(value)


def _jsonl_rows(path: str, stream: IO[bytes]) -> Iterator[Row]:
    for number, line in enumerate(stream, start=1):
        if not line.strip():
            continue
        where = f"{path} line {number}"
        try:
            values = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise UserError(f"{where}: not readable as JSON ({error})") from error
        if not isinstance(values, dict):
            raise UserError(f"{where}: expected a JSON object")
        yield Row(where, _texts(values.items()))


def _parquet_rows(path: str, stream: IO[bytes]) -> Iterator[Row]:
    number = 0
    try:
        for batch in pq.ParquetFile(stream).iter_batches(batch_size=1024):
            for values in batch.to_pylist():
                number += 1
                yield Row(f"{path} row {number}", _texts(values.items()))
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"{path}: not readable as Parquet ({error}). Write it again.") from error


def _texts(items: Iterable[tuple[str, Any]]) -> dict[str, str]:
    return {name: _text(value) for name, value in items if value is not None and value != ""}


def _text(value: Any) -> str:
    """Whole numbers as such: pandas makes floating-point ones of a column with gaps."""
    return str(int(value) if isinstance(value, float) and value.is_integer() else value)
