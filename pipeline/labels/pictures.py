"""Which pictures of a run a table means: by their whole address, or by the end of it."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.labels import tables
from pipeline.labels.answers.answer import picture_of
from transforms.errors import UserError
from transforms.hashes import hashes_of
from transforms.inputs.archives.kinds import archive_of
from transforms.storage import files
from transforms.storage.addresses import is_utf8, text

_WHOLE = 1_000_000
"""Parts of a path: more than any has."""


class End(NamedTuple):
    """The end of an address: so many parts of it, or of the member's path in an archive."""

    parts: int
    of_member: bool

    def of(self, uri: str) -> str:
        """What an entry that fits is called."""
        if self.of_member and (archive := archive_of(uri)):
            uri = uri[len(archive) + 1 :]
        return "/".join(uri.split("/")[-self.parts :])


def folder_of(path: str) -> str:
    """The folder that a table's relative addresses begin at."""
    folder = posixpath.dirname(path)
    return os.path.abspath(folder) if files.is_local(path) else folder


def named(picture: Mapping[str, str], *, folder: str) -> tuple[str, End]:
    """What an address that fits ends with, and how much of it that is.

    Args:
        picture: `uri` or `file`, as `picture_of` gives it.
        folder: of the table.
    """
    if "uri" in picture:
        uri = _key(picture["uri"])
        whole = uri if "://" in uri else _absolute(uri, folder=folder)
        return whole, End(_WHOLE, of_member=False)
    name = posixpath.normpath(_key(picture["file"]))
    if name.startswith("/"):
        return name, End(_WHOLE, of_member=False)
    return name, End(name.count("/") + 1, of_member=archive_of(name) is None)


class Listed:
    """The pictures that a table lists, whatever else it says of them.

    A row is kept as a hash of 8 bytes.

    Args:
        path: of a .csv, .jsonl or .parquet file with a column `uri` or `file`.

    Raises:
        UserError: it cannot be read, or a row of it names no picture.
    """

    def __init__(self, path: str) -> None:
        folder = folder_of(path)
        names: dict[End, list[str]] = {}
        for row in tables.rows(path):
            picture = picture_of(row.values)
            if not picture:
                found = ", ".join(row.values) or "nothing"
                raise UserError(f"{row.where}: expected a column uri or file, found {found}")
            name, end = named(picture, folder=folder)
            names.setdefault(end, []).append(name)
        self._hashes = {end: np.unique(hashes_of(those)) for end, those in names.items()}

    def among(self, uris: Sequence[str]) -> npt.NDArray[np.bool_]:
        """Which of the pictures are listed, bool[len(uris)]."""
        found = np.zeros(len(uris), np.bool_)
        for end, hashes in self._hashes.items():
            found |= np.isin(hashes_of(end.of(uri) for uri in uris), hashes)
        return found


def _key(name: str) -> str:
    """As rows spell it: a name of valid Unicode is one already."""
    return name if is_utf8(name) else text(name)


def _absolute(uri: str, *, folder: str) -> str:
    if files.is_local(folder):
        return posixpath.normpath(posixpath.join(folder, uri))
    return files.join(folder, uri)
