"""Input lists: a user's table of uris, or a storage's inventory of its objects.

Every row is a reference or a failure, whatever is in it; a list of which nobody can tell what names
its pictures is an error before anything is read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from transforms.errors import UserError
from transforms.failures import ImageError, Reason, read_failure
from transforms.inputs.archives.parquet import VERSION_KEY, holds_names, parquet_schema
from transforms.inputs.file_types import skip_kind
from transforms.inputs.folders import is_result
from transforms.inputs.meta import meta_json
from transforms.inputs.skips import OTHER, RESULTS, SUPERSEDED, Listed, Note, Skipped
from transforms.inputs.tables import TABLE_KINDS, Rules, TableRow, table_kind, table_rows
from transforms.inputs.uri_columns import (
    URI,
    NoUriError,
    UriOf,
    is_current,
    is_written_by_us,
    unnamed_columns,
    uri_of_rows,
)
from transforms.records import ImageRef
from transforms.rows.spreadsheet import from_cell
from transforms.storage.addresses import name_of, resolved

_NO_URI = "the row of the input list has no usable uri"
_ITSELF = "the uri is the picture itself (data: or base64); write it to a file, and name that"
# How JPEG, PNG, GIF and WebP begin in base64.
_BASE64 = re.compile("data:|(/9j/|iVBORw0KGgo|R0lGOD|UklGR)[A-Za-z0-9+/]{200}", re.ASCII)
_CSV = (".csv", ".tsv")
_PARQUET = ".parquet"


def is_list_name(path: str) -> bool:
    """Whether a file is an input list by its name; Parquet may be an archive of pictures, too."""
    return table_kind(path) in TABLE_KINDS


def list_rows(path: str) -> Iterator[Listed]:
    """What the rows of an input list name, in order; a row that names nothing is a failure.

    See `uri_of_rows` for which column does. Of an inventory, what is no picture by its name is
    skipped, as in a folder.

    Args:
        path: of a file for which `is_list_name` holds, on this machine or remote.

    Raises:
        UserError: no column can be the uri, or several can, or the list is empty or cannot be
            read.
    """
    reader = _Reader(path)
    row = None
    for row in table_rows(path, Rules(reader.choose, unnamed_columns)):
        if row.problem is None and isinstance(row.content, Mapping):
            yield from reader.listed(row)
        else:
            yield _bad(path, row, row.problem or _NO_URI)
    if row is None:
        raise UserError(f"{path}: the input list is empty. Expected a row for each picture.")


def require_uris(path: str) -> None:
    """Refuses Parquet that is no input list by its columns.

    Raises:
        UserError: no column can be the uri, or several can.
        ImageError: this is no Parquet file, or it cannot be opened.
    """
    _Reader(path).choose(parquet_schema(path).names)


def _bad(path: str, row: TableRow, problem: str) -> Listed:
    return read_failure(f"{path}#{row.where}", Reason.BAD_LIST_ROW, problem)


class _Reader:
    """Takes the rows of one list for what they mean."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._kind = table_kind(path)
        self._ways: dict[tuple[str, ...], UriOf | NoUriError] = {}
        self._first: UriOf | None = None
        self._rows = 0
        self._is_ours = False  # for certain; of rows as texts only their columns tell

    def choose(self, columns: Sequence[str]) -> None:
        """Decides on the column with the uris, for all rows.

        Raises:
            UserError: there is none, or there are several.
        """
        names = list(columns)
        if self._kind == _PARQUET:
            names = self._texts()
        try:
            self._first = self._uri_of(names)
        except NoUriError as error:
            raise UserError(f"{self._path}: {error}") from error

    def _uri_of(self, columns: Sequence[str]) -> UriOf:
        return uri_of_rows(columns, url_encoded=self._kind in _CSV, of_gcloud=self._kind == ".json")

    def _texts(self) -> list[str]:
        try:
            schema = parquet_schema(self._path)
        except ImageError as error:
            raise UserError(f"{self._path}: {error}") from error
        if VERSION_KEY in (schema.metadata or {}):
            self._is_ours = True
        for field in schema:
            if field.name == URI and not holds_names(field.type):
                raise UserError(
                    f"{self._path}: the column 'uri' holds {field.type}, and not texts. Write the "
                    "pictures' paths into it."
                )
        return [field.name for field in schema if holds_names(field.type)]

    def listed(self, row: TableRow) -> Iterator[Listed]:
        """What a row stands for, after a word on the whole list if there is one to be said."""
        content: Mapping[str, Any] = row.content
        way = self._first or self._way(tuple(content))
        self._rows += 1
        if isinstance(way, NoUriError):
            if self._rows == 1 and content:
                raise UserError(f"{self._path}: {way}")
            yield _bad(self._path, row, _NO_URI)
            return
        if way.note and self._rows == 1:
            yield Note(self._path, way.note)
        uri = way.read(content)
        if way.is_inventory and (skipped := _passed(uri, content)) is not None:
            yield Skipped(skipped.path or f"{self._path}#{row.where}", skipped.kind)
        elif uri is None or not _is_name(uri):
            yield _bad(self._path, row, _NO_URI)
        elif _BASE64.match(uri):
            yield _bad(self._path, row, _ITSELF)
        else:
            if self._is_ours or is_written_by_us(content):
                uri = name_of(uri)
            yield ImageRef(resolved(uri, beside=self._path), meta_json(self._meta(content, way)))

    def _way(self, columns: tuple[str, ...]) -> UriOf | NoUriError:
        """Of an object of JSON: each may have other members."""
        if columns not in self._ways:
            if len(self._ways) > 1000:  # no list has as many kinds of rows; each may be hostile
                self._ways.clear()
            try:
                self._ways[columns] = self._uri_of(columns)
            except NoUriError as error:
                self._ways[columns] = error
        return self._ways[columns]

    def _meta(self, content: Mapping[str, Any], way: UriOf) -> dict[str, Any]:
        meta = {name: value for name, value in content.items() if name not in way.columns}
        if self._kind in _CSV:
            return {name: from_cell(value) for name, value in meta.items()}
        return meta


def _passed(uri: str | None, content: Mapping[str, Any]) -> Skipped | None:
    """Why a row of an inventory is no input; its path is empty if it names nothing."""
    if uri is None:
        return Skipped("", OTHER)
    if not is_current(content):
        return Skipped(uri, SUPERSEDED)
    if is_result(uri):
        return Skipped(uri, RESULTS)
    below = uri.partition("://")[2].partition("/")[2]
    kind = OTHER if below.endswith("/") else skip_kind(below)
    return None if kind is None else Skipped(uri, kind)


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
