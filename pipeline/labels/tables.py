"""Tables that a user hands in (truth, label maps): CSV, TSV, JSON lines or Parquet as named rows.

They are read as strictly as the input lists of `label --input`. But where a bad line there is a
failure of a run that goes on, here it stops everything: what it says would be missing without a
trace.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from transforms.errors import UserError
from transforms.inputs.tables import TABLE_KINDS, table_kind, table_rows
from transforms.rows.spreadsheet import from_cell
from transforms.storage import files
from transforms.storage.addresses import text

# A list of paths has no columns.
_NO_TABLE = ".txt"


class Row(NamedTuple):
    """A row of a table.

    Attributes:
        where: the file and the line (or row, in Parquet) for messages; the first line is 1, the
            first row 0.
        values: text by column, without what is empty or null.
    """

    where: str
    values: Mapping[str, str]


def rows(path: str) -> Iterator[Row]:
    """Reads a table row by row.

    Args:
        path: a .csv or .tsv (with a heading), .jsonl or .parquet file, local or remote.

    Yields:
        The rows in the order of the file, blank lines left out.

    Raises:
        UserError: the file is missing or has another extension, or a line cannot be read.
    """
    kind = table_kind(path)
    if kind not in TABLE_KINDS or kind == _NO_TABLE:
        raise UserError(f"{path}: expected a .csv, .tsv, .jsonl or .parquet file")
    from_cells = kind in (".csv", ".tsv")
    with files.explained(path, what=path):
        for where, content, problem in table_rows(path):
            where = f"{path} {where}"
            if problem is not None:
                raise UserError(f"{where}: {problem}")
            if not isinstance(content, dict):
                raise UserError(f"{where}: expected a JSON object")
            items = ((name, _from_cell(name, value)) for name, value in content.items())
            yield Row(where, _texts(items if from_cells else content.items()))


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


def _from_cell(name: str, value: str) -> str:
    """What exports make harmless for spreadsheets; never addresses of pictures."""
    return value if name in ("uri", "file") else from_cell(value)


def _texts(items: Iterable[tuple[str, Any]]) -> dict[str, str]:
    return {name: _text(value) for name, value in items if value is not None and value != ""}


def _text(value: Any) -> str:
    """Whole numbers as such: pandas makes floating-point ones of a column with gaps."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    return str(int(value) if isinstance(value, float) and value.is_integer() else value)
