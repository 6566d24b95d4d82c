"""Input lists: a user's table of uris as text, CSV, JSON lines or Parquet.

Every row is a reference or a failure, whatever is in it; what makes the whole list doubtful, such
as two columns of one name, is an error before anything is read.
"""

from __future__ import annotations

import collections
import csv
import io
import itertools
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import IO, Any, NamedTuple

import pyarrow.parquet as pq

from transforms.errors import UserError
from transforms.failures import ImageError, Reason, read_failure
from transforms.inputs.archives.parquet import PARQUET_ERRORS, columns_of, open_parquet
from transforms.inputs.meta import meta_json
from transforms.inputs.skips import Listed
from transforms.inputs.values import rows_of
from transforms.records import ImageRef
from transforms.rows.spreadsheet import from_cell
from transforms.storage import files
from transforms.storage.addresses import without_credentials

INPUT_LIST_EXTENSIONS = frozenset([".txt", ".csv", ".jsonl", ".parquet"])

MAX_CELL = 1024 * 1024
"""Characters of a cell of CSV at most. Python's own limit, 131,072, is less than some people have.

It also bounds how far a quote that nobody closes is followed.
"""

# Characters of a line at most.
_MAX_LINE = 16 * 1024 * 1024

_NO_URI = "the row of the input list has no usable uri"
_BATCH_ROWS = 1024


class _Row(NamedTuple):
    """A row of a list: its columns, or why it cannot be read."""

    where: str
    content: Any
    problem: str = _NO_URI


def list_rows(path: str) -> Iterator[Listed]:
    """What the rows of an input list name, in order; a row that names nothing is a failure.

    Args:
        path: of a file with one of `INPUT_LIST_EXTENSIONS`, on this machine or remote.

    Raises:
        UserError: there is no column `uri`, or two of a name, or the file cannot be read.
    """
    readers = {
        ".txt": _text_rows,
        ".csv": _csv_rows,
        ".jsonl": _jsonl_rows,
        ".parquet": _parquet_rows,
    }
    for where, content, problem in readers[os.path.splitext(path)[1].lower()](path):
        uri = content.get("uri") if isinstance(content, Mapping) else None
        if isinstance(uri, str) and _is_name(uri):
            others = {name: value for name, value in content.items() if name != "uri"}
            yield ImageRef(_absolute(uri, input_list=path), meta_json(others))
        else:
            yield read_failure(f"{path}#{where}", Reason.BAD_LIST_ROW, problem)


def _is_name(uri: str) -> bool:
    r"""False where nothing can have this name.

    That is the empty one, one with a NUL character, and one with half a surrogate pair, which JSON
    can spell (`"\ud800"`).
    """
    try:
        uri.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False
    return bool(uri) and "\0" not in uri


def _absolute(uri: str, *, input_list: str) -> str:
    if "://" in uri:
        return without_credentials(uri)
    if os.path.isabs(uri):
        return os.path.normpath(uri)
    scheme, slashes, folder = os.path.dirname(input_list).rpartition("://")
    return scheme + slashes + os.path.normpath(os.path.join(folder, uri))


def _require_columns(path: str, columns: Sequence[str]) -> None:
    """Refuses a list of which nobody can say what its rows mean.

    Raises:
        UserError: there is no column `uri`, or two columns have the same name.
    """
    if "uri" not in columns:
        found = ", ".join(columns) or "nothing"
        raise UserError(
            f"{path}: the input list has no column 'uri' (found: {found}). "
            "Name the column that holds the pictures' paths 'uri'."
        )
    twice = sorted(name for name, count in collections.Counter(columns).items() if count > 1)
    if twice:
        raise UserError(
            f"{path}: the input list has more than one column {twice[0]!r}. "
            "Give each column a name of its own."
        )


# ---- lines --------------------------------------------------------------------------------------


def _open_text(path: str, *, newline: str | None) -> IO[str]:
    """Opens a list of lines.

    Raises:
        UserError: it is not UTF-8, by its first two bytes.
    """
    binary = files.open_read(path)
    start = binary.read(2)
    binary.seek(0)
    if start in (b"\xff\xfe", b"\xfe\xff"):
        binary.close()
        raise UserError(f"{path}: the input list is UTF-16. Save it as UTF-8.")
    # -sig: Excel begins a table with a byte order mark, which would belong to the first name.
    # surrogateescape: names of files need not be UTF-8.
    return io.TextIOWrapper(binary, "utf-8-sig", errors="surrogateescape", newline=newline)


def _lines(stream: IO[str]) -> Iterator[tuple[int, str | None]]:
    """Lines with their numbers from 1, and their ends; None for one over the limit."""
    for number in itertools.count(1):
        line = stream.readline(_MAX_LINE)
        if not line:
            return
        if len(line) < _MAX_LINE or line[-1] in "\r\n":
            yield number, line
            continue
        while (rest := stream.readline(_MAX_LINE)) and rest[-1] not in "\r\n":
            pass
        yield number, None


def _too_long(number: int) -> _Row:
    return _Row(f"line {number}", None, f"the line has more than {_MAX_LINE:,} characters")


def _text_rows(path: str) -> Iterator[_Row]:
    with _open_text(path, newline=None) as stream:
        for number, line in _lines(stream):
            if line is None:
                yield _too_long(number)
            # Nothing else is taken off: a name may end in a blank.
            elif uri := line.rstrip("\n"):
                yield _Row(f"line {number}", {"uri": uri})


def _jsonl_rows(path: str) -> Iterator[_Row]:
    with _open_text(path, newline=None) as stream:
        for number, line in _lines(stream):
            if line is None:
                yield _too_long(number)
            elif line.strip():
                yield _json_row(f"line {number}", line)


def _json_row(where: str, line: str) -> _Row:
    try:
        return _Row(where, json.loads(line, object_pairs_hook=_distinct))
    except (ValueError, RecursionError) as error:
        return _Row(where, None, f"the line is no JSON that can be read: {error}")


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; of two members with one name JSON's readers keep one, each another."""
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("a name comes twice in an object")
    return members


# ---- CSV ----------------------------------------------------------------------------------------


def _csv_rows(path: str) -> Iterator[_Row]:
    # As csv wants it: line breaks within a cell stay as they are.
    with _open_text(path, newline="") as stream:
        records = _Records(stream)
        _, header = next(records, (1, []))
        if isinstance(header, str):
            raise UserError(f"{path}: the first line of the input list cannot be read: {header}")
        _require_columns(path, header)
        records.width = len(header)
        for number, cells in records:
            where = f"line {number}"
            if isinstance(cells, str):
                yield _Row(where, None, cells)
            else:
                yield _Row(where, dict(map(_cell, header, cells)))


def _cell(name: str, cell: str) -> tuple[str, str]:
    """Without what exports put before text that looks like a formula; never of an address."""
    return name, cell if name == "uri" else from_cell(cell)


class _Records:
    """Records of CSV with the number of their first line, or what is wrong with that line.

    A quote that is not closed would take the lines that follow it for its cell. Where the strict
    reader cannot tell records apart, or makes one of several lines with too many or too few cells,
    the first line is wrong and reading goes on with the next: a line more or less may be refused,
    but none is lost.

    Attributes:
        width: cells of a record, None before the header is known.
    """

    def __init__(self, stream: IO[str]) -> None:
        self.width: int | None = None
        self._lines = _lines(stream)
        self._again: collections.deque[tuple[int, str | None]] = collections.deque()
        self._taken: list[tuple[int, str | None]] = []
        # For the whole process: csv has no other way.
        csv.field_size_limit(MAX_CELL)
        self._reader = csv.reader(self._feed(), strict=True)

    def _feed(self) -> Iterator[str]:
        while item := self._again.popleft() if self._again else next(self._lines, None):
            self._taken.append(item)
            number, line = item
            if line is None:
                raise csv.Error(_too_long(number).problem)
            yield line

    def __iter__(self) -> _Records:
        return self

    def __next__(self) -> tuple[int, list[str] | str]:
        while True:
            self._taken.clear()
            try:
                cells = next(self._reader)
            except csv.Error as error:
                return self._refused(f"the quotes of the row cannot be told apart: {error}")
            if self.width is not None and cells and len(cells) != self.width:
                return self._refused(f"{len(cells)} cells, but the header has {self.width}")
            if cells:  # an empty line is no record
                return self._taken[0][0], cells

    def _refused(self, problem: str) -> tuple[int, str]:
        (number, _), *rest = self._taken
        # With a new reader, because this one holds half of the row that was refused.
        self._again.extendleft(reversed(rest))
        self._reader = csv.reader(self._feed(), strict=True)
        return number, problem


# ---- Parquet ------------------------------------------------------------------------------------


def _parquet_rows(path: str) -> Iterator[_Row]:
    try:
        with files.open_read(path) as stream, open_parquet(stream) as file:
            _require_columns(path, columns_of(file).names)
            first = 0
            for group in range(file.num_row_groups):
                rows = file.metadata.row_group(group).num_rows
                yield from _group_rows(file, group, first)
                first += rows
    except ImageError as error:
        raise UserError(f"{path}: {error}. Expected Parquet with a column 'uri'.") from error


def _group_rows(file: pq.ParquetFile, group: int, first: int) -> Iterator[_Row]:
    """The rows of a group, and one that stands for those that a damaged group does not give."""
    number = first
    try:
        for batch in file.iter_batches(batch_size=_BATCH_ROWS, row_groups=[group]):
            for row in rows_of(batch):
                yield _Row(f"row {number}", row)
                number += 1
    except PARQUET_ERRORS as error:
        problem = f"the input list breaks here; no row up to the next group can be read: {error}"
        yield _Row(f"row {number}", None, problem)
