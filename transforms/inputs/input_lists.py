"""Input lists: a user's table of uris as text, CSV, JSON lines or Parquet.

Every row is a reference or a failure, whatever is in it; what makes the whole list doubtful, such
as two columns of one name, is an error before anything is read.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence

from transforms.errors import UserError
from transforms.failures import Reason, read_failure
from transforms.inputs.meta import meta_json
from transforms.inputs.skips import Listed
from transforms.inputs.tables import Rules, table_kind, table_rows
from transforms.records import ImageRef
from transforms.rows.spreadsheet import from_cell
from transforms.storage.addresses import resolved

INPUT_LIST_EXTENSIONS = frozenset([".txt", ".csv", ".jsonl", ".parquet"])

_NO_URI = "the row of the input list has no usable uri"


def list_rows(path: str) -> Iterator[Listed]:
    """What the rows of an input list name, in order; a row that names nothing is a failure.

    Args:
        path: of a file with one of `INPUT_LIST_EXTENSIONS`, on this machine or remote.

    Raises:
        UserError: there is no column `uri`, or two of a name, or the file cannot be read.
    """
    rules = Rules(functools.partial(_require_uri, path))
    from_cells = table_kind(path) in (".csv", ".tsv")
    for where, content, problem in table_rows(path, rules):
        uri = content.get("uri") if isinstance(content, Mapping) else None
        if isinstance(uri, str) and _is_name(uri):
            meta = {name: value for name, value in content.items() if name != "uri"}
            if from_cells:
                meta = {name: from_cell(value) for name, value in meta.items()}
            yield ImageRef(resolved(uri, beside=path), meta_json(meta))
        else:
            yield read_failure(f"{path}#{where}", Reason.BAD_LIST_ROW, problem or _NO_URI)


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


def _require_uri(path: str, columns: Sequence[str]) -> None:
    """Refuses a list that names no pictures.

    Raises:
        UserError: there is no column `uri`.
    """
    if "uri" not in columns:
        found = ", ".join(columns) or "nothing"
        raise UserError(
            f"{path}: the input list has no column 'uri' (found: {found}). "
            "Name the column that holds the pictures' paths 'uri'."
        )
