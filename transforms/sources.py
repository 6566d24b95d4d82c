"""Inputs as a user writes them (folder, glob, manifest, file) turned into a stream of pictures.

Plain generators, no Beam: memory does not grow with the number of pictures.
"""

from __future__ import annotations

import csv
import glob
import json
import math
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias

from transforms.errors import UserError
from transforms.failures import ImageError, Reason, Stage, failure
from transforms.records import Failure, ImageRef

IMAGE_EXTENSIONS = frozenset(
    [
        *[".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"],
        *[".png", ".webp", ".gif", ".tif", ".tiff", ".bmp", ".dib"],
    ]
)
"""What a folder is searched for. Globs and manifests take every file that they name."""

MANIFEST_EXTENSIONS = frozenset([".txt", ".csv", ".jsonl", ".parquet"])


_SURROGATE = re.compile("[\ud800-\udfff]")


class Skipped(NamedTuple):
    """A file of a folder that is not labelled because of its extension."""

    path: str


Listed: TypeAlias = "ImageRef | Skipped | Failure"


def list_input(source: str) -> Iterator[Listed]:
    """Lists what one `--input` stands for.

    Args:
        source: a folder (searched recursively for image extensions), a manifest (.txt, .csv, .jsonl
            or .parquet with a `uri` column), a glob (`**` included) or a single file. A path that
            exists as it is written wins over its reading as a glob.

    Yields:
        An `ImageRef` a picture, a `Skipped` for each other file of a folder, and a `Failure` for
        whatever could not be listed (a folder without permission, a broken line of a manifest).

    Raises:
        UserError: the source matches nothing, or a manifest has no `uri` column.
    """
    if "://" in source:
        raise UserError(
            f"--input {source}: only local folders, globs, manifests and files can be read. "
            "Copy the pictures to a local folder first."
        )
    path = os.path.abspath(source)
    if os.path.isdir(path):
        return _list_folder(path, ancestors=())
    if os.path.lexists(path):
        if os.path.splitext(path)[1].lower() in MANIFEST_EXTENSIONS:
            return _list_manifest(path)
        return iter([ImageRef(path)])
    if glob.has_magic(source):
        return _list_glob(path)
    raise nothing_matched(source)


def nothing_matched(source: str) -> UserError:
    """The error for an input that yields no picture."""
    return UserError(
        f"--input {source}: nothing matched. Expected a folder with pictures, a glob (in quotes), "
        "a manifest (.txt, .csv, .jsonl, .parquet) or a picture."
    )


def _list_folder(folder: str, *, ancestors: tuple[tuple[int, int], ...]) -> Iterator[Listed]:
    """Walks a folder and the folders that its links lead to; a loop of links is entered once."""
    try:
        status = os.stat(folder)
        entries = os.scandir(folder)
    except OSError as error:
        message = f"the folder could not be listed: {error.strerror}"
        yield _failure(folder, Reason.from_os_error(error), message)
        return
    here = (status.st_dev, status.st_ino)
    if here in ancestors:
        return
    with entries:
        for entry in entries:
            if entry.is_dir():
                yield from _list_folder(entry.path, ancestors=(*ancestors, here))
            elif os.path.splitext(entry.name)[1].lower() in IMAGE_EXTENSIONS:
                yield ImageRef(entry.path)
            else:
                yield Skipped(entry.path)


def _list_glob(pattern: str) -> Iterator[Listed]:
    for path in glob.iglob(pattern, recursive=True):
        if not os.path.isdir(path):
            yield ImageRef(path)


def _list_manifest(path: str) -> Iterator[Listed]:
    readers = {
        ".txt": _text_rows,
        ".csv": _csv_rows,
        ".jsonl": _jsonl_rows,
        ".parquet": _parquet_rows,
    }
    rows = readers[os.path.splitext(path)[1].lower()](path)
    folder = os.path.dirname(path)
    for where, row in rows:
        uri = row.get("uri") if isinstance(row, Mapping) else None
        if isinstance(uri, str) and uri and _is_text(uri):
            yield ImageRef(_absolute(uri, folder=folder), _meta(row))
        else:
            message = "the row of the manifest has no usable uri"
            yield _failure(f"{path}#{where}", Reason.BAD_MANIFEST_ROW, message)


def _failure(uri: str, reason: Reason, message: str) -> Failure:
    return failure(ImageRef(uri), Stage.READ, ImageError(reason, message))


def _is_text(uri: str) -> bool:
    r"""False for halves of surrogate pairs, which JSON can spell (`"\ud800"`) and no name holds."""
    try:
        uri.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False
    return True


def _absolute(uri: str, *, folder: str) -> str:
    if "://" in uri:
        return uri
    return os.path.normpath(os.path.join(folder, uri))


def _meta(row: Mapping[str, Any]) -> str | None:
    others = {name: _json_value(value) for name, value in row.items() if name != "uri"}
    if not others:
        return None
    # What is not valid Unicode would stop a writer hours later.
    return _SURROGATE.sub(
        "\N{REPLACEMENT CHARACTER}", json.dumps(others, ensure_ascii=False, default=str)
    )


def _json_value(value: Any) -> Any:
    """JSON has no NaN or infinity: they become null, as in pandas and DuckDB."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _text_rows(path: str) -> Iterator[tuple[str, Any]]:
    with open(path, encoding="utf-8-sig", errors="surrogateescape", newline="\n") as lines:
        for number, line in enumerate(lines, start=1):
            if uri := line.rstrip("\r\n"):
                yield f"line {number}", {"uri": uri}


def _csv_rows(path: str) -> Iterator[tuple[str, Any]]:
    with open(path, encoding="utf-8-sig", errors="surrogateescape", newline="") as lines:
        rows = csv.DictReader(lines, restkey="more")
        _require_uri(path, columns=list(rows.fieldnames or ()))
        for row in rows:
            yield f"line {rows.line_num}", row


def _jsonl_rows(path: str) -> Iterator[tuple[str, Any]]:
    with open(path, encoding="utf-8-sig", errors="surrogateescape", newline="\n") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError:
                row = None
            yield f"line {number}", row


def _parquet_rows(path: str) -> Iterator[tuple[str, Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
    except pa.ArrowInvalid as error:
        raise UserError(
            f"{path}: not a readable Parquet file. Expected a manifest with a column 'uri'; "
            f"write it again. ({error})"
        ) from error
    with file:
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
            f"{path}: the manifest has no column 'uri' (found: {found}). "
            "Name the column that holds the pictures' paths 'uri'."
        )
