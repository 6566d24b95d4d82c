"""Which column of an input list is the uri, and what a storage's inventory says instead."""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

from transforms.inputs.archives.base import is_picture_name

URI = "uri"
OTHER_NAMES = ("file_name", "path", "image", "url")
"""What stands for `uri` where there is none: with Hugging Face, Kaggle, img2dataset and others."""

_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")


class NoUriError(ValueError):
    """No column can be the uri, or several can."""


class UriOf(NamedTuple):
    """How the rows of a list name their pictures.

    Attributes:
        columns: that say it, and are no meta.
        read: a row to its uri, None where it names nothing.
        note: for people, None for the plain column `uri`.
        is_inventory: whether rows are all objects of a bucket, pictures or not.
    """

    columns: frozenset[str]
    read: Callable[[Mapping[str, Any]], str | None]
    note: str | None = None
    is_inventory: bool = False


def uri_of_rows(
    columns: Sequence[str], *, url_encoded: bool = False, of_gcloud: bool = False
) -> UriOf:
    """The column `uri`, else the only one that can be meant, or a bucket and a name in it.

    Args:
        columns: names of those that hold texts.
        url_encoded: whether keys of S3 are: they are in CSV, and are not in Parquet.
        of_gcloud: whether `gcloud storage ls --json` may have written the list.

    Raises:
        NoUriError: there is none, or there are several.
    """
    if URI in columns:
        return UriOf(frozenset([URI]), lambda row: _text(row[URI]))
    if of_gcloud and {"url", "type"} <= set(columns) <= {"url", "type", "metadata"}:
        return _GCLOUD
    found = [*_inventories(columns, url_encoded=url_encoded), *_columns(columns)]
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(" with ".join(map(repr, sorted(way.columns))) for way in found)
        raise NoUriError(
            f"the input list has no column 'uri' and several that may stand for it: {names}. "
            "Call the right one 'uri'."
        )
    raise NoUriError(
        f"the input list has no column 'uri' (found: {', '.join(columns) or 'nothing'}). "
        + (
            "The first line looks like a row: write a line with the names of the columns above it."
            if any("://" in name or is_picture_name(name) for name in columns)
            else "Name the column that holds the pictures' paths 'uri'."
        )
    )


def _columns(columns: Sequence[str]) -> list[UriOf]:
    return [_column(name) for name in columns if name.lower() in (URI, *OTHER_NAMES)]


def _column(name: str) -> UriOf:
    return UriOf(frozenset([name]), lambda row: _text(row[name]), f"column {name!r} as the uri")


def _inventories(columns: Sequence[str], *, url_encoded: bool) -> list[UriOf]:
    by_name = {name.lower(): name for name in columns}
    # Inventories name bucket and object apart, in columns of either case.
    if "bucket" not in by_name:
        return []
    return [
        _inventory(by_name["bucket"], by_name[object_name], scheme, encoded=encoded)
        for object_name, scheme, encoded in (("name", "gs", False), ("key", "s3", url_encoded))
        if object_name in by_name
    ]


def _inventory(bucket: str, name: str, scheme: str, *, encoded: bool) -> UriOf:
    def read(row: Mapping[str, Any]) -> str | None:
        parts = _text(row[bucket]), _text(row[name])
        if not (parts[0] and parts[1]):
            return None
        key = urllib.parse.unquote_plus(parts[1], errors="surrogateescape") if encoded else parts[1]
        return f"{scheme}://{parts[0]}/{key}"

    return UriOf(
        frozenset([bucket, name]),
        read,
        f"an inventory: columns {bucket!r} and {name!r} as {scheme}://",
        is_inventory=True,
    )


_OURS = tuple(
    frozenset([URI, *columns.split()])
    for columns in (
        "sha256 class_id label score",  # predictions, `export --to csv`
        "stage reason message retryable",  # failures
        "why guess margin choices",  # `review`
        "version size outcome reason file",  # `export --to ledger`
        "group keep identical similarity",  # `duplicates`
    )
)


def is_written_by_us(columns: Collection[str]) -> bool:
    r"""Whether a row with these columns is one of ours, in which `\xNN` in a uri is a byte.

    Of Parquet that we wrote the file says so; CSV and JSON lines have nothing but their columns, of
    which people may have added more.
    """
    return any(ours <= set(columns) for ours in _OURS)


def is_current(row: Mapping[str, Any]) -> bool:
    """False for what an inventory lists of versions that were replaced or deleted."""
    if row.get("type") == _OBJECT and isinstance(row.get("metadata"), Mapping):
        row = row["metadata"]
    # The services spell these columns differently: IsLatest, is_latest.
    said = {
        re.sub("[^a-z]", "", name.lower()): str(value).lower()
        for name, value in row.items()
        if value is not None
    }
    deleted = said.get("isdeletemarker") == "true" or any(map(said.get, _WHEN_DELETED))
    return said.get("islatest") != "false" and not deleted


# With Storage Insights and the API, and with `gcloud storage objects list`.
_WHEN_DELETED = ("timedeleted", "noncurrenttime", "softdeletetime")


def unnamed_columns(line: str, cells: Sequence[str]) -> Sequence[str] | None:
    """The names that an S3 inventory in CSV does not write; None for a line that is a header.

    Every cell of such a file is in quotes, and the first two are a bucket and a key.
    """
    try:
        uri_of_rows(cells)
    except NoUriError:
        pass
    else:
        return None
    is_bucket = len(cells) > 1 and _BUCKET.fullmatch(cells[0]) and not is_picture_name(cells[0])
    if not (line.startswith('"') and is_bucket and cells[1]):
        return None
    known = ["bucket", "key"]
    if len(cells) > 4 and set(cells[3:5]) <= {"true", "false"}:  # all versions are listed
        known += ["version_id", "is_latest", "is_delete_marker"]
    return [*known, *(f"column {number}" for number in range(len(known) + 1, len(cells) + 1))]


def _text(value: Any) -> str | None:
    """A name as files are called: bytes need not be UTF-8."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    return value if isinstance(value, str) else None


_OBJECT = "cloud_object"


def _of_gcloud(row: Mapping[str, Any]) -> str | None:
    """The address of an object, without its version: `gs://bucket/a.jpg#17`, so gcloud writes it.

    A listing has folders and buckets as well.
    """
    url, metadata = _text(row["url"]), row.get("metadata")
    if row["type"] != _OBJECT or url is None:
        return None
    known = metadata if isinstance(metadata, Mapping) else {}
    version = known.get("generation") or known.get("VersionId")  # of Google, of S3
    return url.removesuffix(f"#{version}") if version else url


_GCLOUD = UriOf(
    frozenset(["url", "type"]),
    _of_gcloud,
    "a listing of gcloud storage",
    is_inventory=True,
)
