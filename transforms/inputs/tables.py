"""Tables that a user hands in, row by row: text, CSV, TSV, JSON, JSON lines or Parquet.

Every row is what it says or why it cannot be read, whatever is in it. What makes the whole table
doubtful, such as two columns of one name, is an error before anything is read.
"""

from __future__ import annotations

import collections
import contextlib
import csv
import gzip
import io
import itertools
import json
import os
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import IO, Any, NamedTuple, cast

from transforms.errors import UserError, clause
from transforms.failures import ImageError
from transforms.inputs.archives.parquet import (
    PARQUET_ERRORS,
    Parquet,
    can_be_read,
    columns_of,
    open_parquet,
)
from transforms.inputs.values import rows_of
from transforms.storage import files

MAX_CELL = 1024 * 1024
"""Characters of a cell of CSV at most. Python's own limit, 131,072, is less than some people have.

It also bounds how far a quote that nobody closes is followed.
"""

# Characters of a line, or of an object of JSON, at most.
_MAX_LINE = 16 * 1024 * 1024

# Of a whole number in JSON. Python's own limit is a little higher, and its words are of itself.
_MAX_DIGITS = 4000

_BATCH_ROWS = 1024
# Characters of a list in JSON that are read at a time, and more for a value that is longer.
_JSON_READ = 64 * 1024


class TableRow(NamedTuple):
    """A row of a table.

    Attributes:
        where: the line (or row, in Parquet) for messages; the first line is 1, the first row 0.
        content: values by column, or what else a line of JSON holds.
        problem: why it cannot be read, None if it can.
    """

    where: str
    content: Any
    problem: str | None = None


def _accept(_: Sequence[str]) -> None:
    pass


def _headed(_line: str, _cells: Sequence[str]) -> Sequence[str] | None:
    return None


class Rules(NamedTuple):
    """What whoever reads a table knows of its columns.

    Attributes:
        check: called with the names of the columns, if the table has names; may raise `UserError`.
        unnamed: of a first line of CSV that is a row itself, and its cells: the columns' names;
            None of one that is a header.
    """

    check: Callable[[Sequence[str]], None] = _accept
    unnamed: Callable[[str, Sequence[str]], Sequence[str] | None] = _headed


_ANY = Rules()


def table_kind(path: str) -> str:
    """The extension that tells how a table is read, in lower case and without a `.gz` after it."""
    return os.path.splitext(path.lower().removesuffix(".gz"))[1]


def table_rows(path: str, rules: Rules = _ANY) -> Iterator[TableRow]:
    """The rows of a table in their order, blank lines left out.

    Args:
        path: of a file with an extension of `TABLE_KINDS`, on this machine or remote. What is
            compressed by gzip is told by its first bytes.
        rules: see there.

    Raises:
        UserError: the file is no such table, or two of its columns have one name.
        OSError: it cannot be read.
    """
    return TABLE_KINDS[table_kind(path)](path, rules)


def require_distinct(path: str, columns: Sequence[str]) -> None:
    """Refuses a table of which nobody can say what its rows mean.

    Raises:
        UserError: two columns have the same name.
    """
    twice = sorted(name for name, count in collections.Counter(columns).items() if count > 1)
    if twice:
        raise UserError(
            f"{path}: more than one column is called {twice[0]!r}. "
            "Give each column a name of its own."
        )


# ---- lines --------------------------------------------------------------------------------------

# Byte order marks; the longer ones first, for one of them begins with a shorter.
_ENCODINGS = {
    "UTF-32": (b"\xff\xfe\0\0", b"\0\0\xfe\xff"),
    "UTF-16": (b"\xff\xfe", b"\xfe\xff"),
}


def _encoding(start: bytes) -> str | None:
    """The encoding of a text that is not UTF-8, by its first four bytes."""
    for name, marks in _ENCODINGS.items():
        if start.startswith(marks):
            return name
    zeros = [byte == 0 for byte in start[:4]]  # where a letter of ASCII leaves them
    if zeros in ([True, True, True, False], [False, True, True, True]):
        return "UTF-32"
    return "UTF-16" if zeros in ([True, False, True, False], [False, True, False, True]) else None


@contextlib.contextmanager
def _open_text(path: str, *, newline: str | None) -> Iterator[IO[str]]:
    """Opens a table of lines.

    Raises:
        UserError: it is not UTF-8, by its first bytes.
    """
    with contextlib.ExitStack() as closing:
        binary: IO[bytes] = closing.enter_context(files.open_read(path))
        start = binary.read(4)
        binary.seek(0)
        if start.startswith(b"\x1f\x8b"):
            binary = cast("IO[bytes]", closing.enter_context(gzip.GzipFile(fileobj=binary)))
            with contextlib.suppress(*_BROKEN):  # the rows before a break come first
                start = binary.read(4)
            binary.seek(0)
        if (encoding := _encoding(start)) is not None:
            raise UserError(f"{path}: the file is {encoding}. Save it as UTF-8.")
        yield io.TextIOWrapper(binary, "utf-8-sig", errors="surrogateescape", newline=newline)


_BROKEN = (EOFError, zlib.error, gzip.BadGzipFile)


class _BrokenError(Exception):
    """The compressed data of a table end or are damaged."""


def _lines(stream: IO[str]) -> Iterator[tuple[int, str | None]]:
    """Lines with their numbers from 1, and their ends; None for one over the limit.

    Raises:
        _BrokenError: see there.
    """
    try:
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
    except _BROKEN as error:
        raise _BrokenError(f"the compressed table breaks before this line: {error}") from error


def _too_long(number: int) -> TableRow:
    problem = f"the line has more than {_MAX_LINE:,} characters"
    return TableRow(f"line {number}", None, problem)


def _each_line(path: str, read: Callable[[str, str], TableRow | None]) -> Iterator[TableRow]:
    """What `read` makes of the place and the text of each line; None for one to leave out."""
    number = 0
    with _open_text(path, newline=None) as stream:
        try:
            for number, line in _lines(stream):
                if line is None:
                    yield _too_long(number)
                elif (row := read(f"line {number}", line)) is not None:
                    yield row
        except _BrokenError as error:
            yield TableRow(f"line {number + 1}", None, str(error))


def _text_rows(path: str, _rules: Rules) -> Iterator[TableRow]:
    def read(where: str, line: str) -> TableRow | None:
        # Nothing else is taken off: a name may end in a blank.
        uri = line.rstrip("\n")
        return TableRow(where, {"uri": uri}) if uri else None

    return _each_line(path, read)


# ---- JSON ---------------------------------------------------------------------------------------


def _jsonl_rows(path: str, _rules: Rules) -> Iterator[TableRow]:
    def read(where: str, line: str) -> TableRow | None:
        if not line.strip():
            return None
        try:
            return TableRow(where, _JSON.decode(line.strip()))
        except (ValueError, RecursionError) as error:
            return TableRow(where, None, _no_json(error))

    return _each_line(path, read)


def _no_json(error: Exception) -> str:
    deep = isinstance(error, RecursionError)
    why = "objects and lists within each other, too deep" if deep else str(error)
    return f"the line is no JSON that can be read: {why}"


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; of two members with one name JSON's readers keep one, each another."""
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("a name comes twice in an object")
    return members


def _whole(digits: str) -> int:
    if len(digits) > _MAX_DIGITS:
        raise ValueError(f"a number of {len(digits):,} digits; write it as a text, in quotes")
    return int(digits)


_JSON = json.JSONDecoder(object_pairs_hook=_distinct, parse_int=_whole)


def _json_rows(path: str, rules: Rules) -> Iterator[TableRow]:
    """The objects of one list, as `gcloud storage ls --json` writes it; else those of lines."""
    with _open_text(path, newline=None) as stream:
        try:
            start = stream.read(_JSON_READ).lstrip()
            if not start:
                return
            if not start.startswith("["):
                _require_lines(path, start.partition("\n")[0])
                yield from _jsonl_rows(path, rules)
                return
            stream.seek(0)
            yield from _list_rows(stream)
        except _BROKEN as error:
            problem = f"the compressed table breaks: {error}"
            yield TableRow("the rest", None, problem)


def _require_lines(path: str, first: str) -> None:
    """Refuses JSON that is one thing over several lines, such as a manifest."""
    try:
        _JSON.decode(first)
    except (ValueError, RecursionError) as error:
        if len(first) < _JSON_READ:
            raise UserError(
                f"{path}: neither a list of objects nor an object a line. Write one of the two."
            ) from error


def _list_rows(stream: IO[str]) -> Iterator[TableRow]:
    """The members of a list in a file, one in memory at a time; row 0 is the first."""
    text = stream.read(_JSON_READ).lstrip()[1:]
    number = 0
    while True:
        text = text.lstrip(" \t\r\n," if number else " \t\r\n")
        if text.startswith("]"):
            rest = text[1:].strip() or stream.read(_JSON_READ).strip()
            if rest:
                problem = "something follows the end of the list; nothing from here on is read"
                yield TableRow(f"row {number}", None, problem)
            return
        try:
            row, end = _JSON.raw_decode(text)
            problem = "" if end < len(text) else "it is not closed"
        except (ValueError, RecursionError) as error:
            problem = str(error) if isinstance(error, ValueError) else "it is nested too deep"
        if not problem:
            yield TableRow(f"row {number}", row)
            text, number = text[end:], number + 1
            continue
        # Twice as much each time, so that a long row is parsed a few times at most.
        more = stream.read(max(len(text), _JSON_READ)) if len(text) < _MAX_LINE else ""
        if not more:
            broken = f"the list breaks here; no row after it can be read: {problem}"
            yield TableRow(f"row {number}", None, broken)
            return
        text += more


# ---- CSV ----------------------------------------------------------------------------------------


def _csv_rows(path: str, rules: Rules) -> Iterator[TableRow]:
    with _open_text(path, newline="") as stream:
        try:
            first = stream.readline(_MAX_LINE)
        except _BROKEN as error:
            raise UserError(f"{path}: the compressed file is damaged: {error}") from error
        delimiter = _delimiter(path, first)
        stream.seek(0)
        records = _Records(stream, delimiter)
        number, header = next(records, (1, []))
        if not header:
            return
        if isinstance(header, str):
            raise UserError(f"{path}: the first line cannot be read: {header}")
        names = rules.unnamed(first, header)
        if names is None:
            require_distinct(path, header)
            rules.check(header)
        else:
            yield TableRow(f"line {number}", dict(zip(names, header, strict=True)))
        columns = header if names is None else names
        records.width = len(columns)
        for number, cells in records:
            where = f"line {number}"
            if isinstance(cells, str):
                yield TableRow(where, None, cells)
            else:
                yield TableRow(where, dict(zip(columns, cells, strict=True)))


_OTHER_SEPARATORS = {";": "semicolons", "|": "vertical bars"}


def _delimiter(path: str, first: str) -> str:
    """What separates the cells: tabs where the name or the first line says so, else commas.

    Raises:
        UserError: it is something else, or the first line speaks to a spreadsheet.
    """
    if first.lower().startswith("sep="):
        raise UserError(
            f"{path}: the first line, {first.strip()!r}, tells spreadsheets the separator. Delete "
            "this line, and separate the cells by commas or tabs."
        )
    tabs, commas = first.count("\t"), first.count(",")
    if table_kind(path) == ".tsv":
        if commas and not tabs:
            raise UserError(
                f"{path}: the cells are separated by commas. Separate them by tabs, or call the "
                "file .csv."
            )
        return "\t"
    for separator, name in _OTHER_SEPARATORS.items():
        if first.count(separator) > max(tabs, commas):
            raise UserError(
                f"{path}: the cells are separated by {name} ({separator}). Separate them by "
                "commas (.csv) or tabs (.tsv)."
            )
    return "\t" if tabs and not commas else ","


class _Records:
    """Records of CSV with the number of their first line, or what is wrong with that line.

    A quote that is not closed would take the lines that follow it for its cell. Where the strict
    reader cannot tell records apart, or makes one of several lines with too many or too few cells,
    the first line is wrong and reading goes on with the next: a line more or less may be refused,
    but none is lost.

    Attributes:
        width: cells of a record, None before the header is known.
    """

    def __init__(self, stream: IO[str], delimiter: str) -> None:
        self.width: int | None = None
        self._lines = _lines(stream)
        self._delimiter = delimiter
        self._again: collections.deque[tuple[int, str | None]] = collections.deque()
        self._taken: list[tuple[int, str | None]] = []
        self._last = 0
        csv.field_size_limit(MAX_CELL)
        self._reader = self._new_reader()

    def _new_reader(self) -> Iterator[list[str]]:
        return csv.reader(self._feed(), strict=True, delimiter=self._delimiter)

    def _feed(self) -> Iterator[str]:
        while item := self._again.popleft() if self._again else next(self._lines, None):
            self._taken.append(item)
            number, line = item
            self._last = max(self._last, number)
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
            except _BrokenError as error:
                self._lines = iter(())
                if self._taken:
                    return self._refused(f"a quote is not closed before {error}")
                self._reader = self._new_reader()
                return self._last + 1, str(error)
            if self.width is not None and cells and len(cells) != self.width:
                problem = (
                    f"{len(cells)} cells, but the header has {self.width}; put quotes around text "
                    "that holds the separator"
                )
                return self._refused(problem)
            if cells:  # an empty line is no record
                return self._taken[0][0], cells

    def _refused(self, problem: str) -> tuple[int, str]:
        (number, _), *rest = self._taken
        self._again.extendleft(reversed(rest))
        self._reader = self._new_reader()
        return number, problem


# ---- Parquet ------------------------------------------------------------------------------------


def _parquet_rows(path: str, rules: Rules) -> Iterator[TableRow]:
    try:
        with files.open_read(path) as stream, open_parquet(stream) as file:
            schema = columns_of(file)
            columns = schema.names
            require_distinct(path, columns)
            readable = [field.name for field in schema if can_be_read(field.type)]
            rules.check(columns)
            first = 0
            for group in range(file.num_row_groups):
                rows = file.metadata.row_group(group).num_rows
                yield from _group_rows(file, group, first, readable)
                first += rows
    except ImageError as error:
        raise UserError(f"{path}: {clause(error)}. Expected a table in Parquet.") from error


def _group_rows(
    file: Parquet, group: int, first: int, columns: Sequence[str]
) -> Iterator[TableRow]:
    """The rows of a group, and one that stands for those that a damaged group does not give."""
    number = first
    try:
        for batch in file.batches(group, columns, rows=_BATCH_ROWS):
            for row in rows_of(batch):
                yield TableRow(f"row {number}", row)
                number += 1
    except PARQUET_ERRORS as error:
        problem = f"the table breaks here; no row up to the next group can be read: {error}"
        yield TableRow(f"row {number}", None, problem)


TABLE_KINDS: dict[str, Callable[[str, Rules], Iterator[TableRow]]] = {
    ".txt": _text_rows,
    ".csv": _csv_rows,
    ".tsv": _csv_rows,
    ".json": _json_rows,
    ".jsonl": _jsonl_rows,
    ".ndjson": _jsonl_rows,
    ".parquet": _parquet_rows,
}
"""Extension to what reads such a table."""
