"""Selections of pictures that stay: input lists in a folder of the run."""

from __future__ import annotations

import csv
import io
import json
import re
import threading
from collections.abc import Iterable, Sequence

import numpy as np

from pipeline.labels.pictures import Listed
from pipeline.view.server import RefusedError
from transforms.rows.marker import mark_files
from transforms.rows.names import SELECTIONS_FOLDER
from transforms.storage import files
from transforms.storage.addresses import name_of

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
"""No dot, no slash, no space: it is the name of a file on every system and within every shell."""

_EXTENSION = ".csv"


class Selections:
    """The selections of a run; none is ever replaced.

    Args:
        folder: of the run.
        uris: of the rows that can be selected, by their position.
    """

    def __init__(self, folder: str, uris: Sequence[str]) -> None:
        self._folder = folder
        self._uris = uris
        self._turn = threading.Lock()

    def names(self) -> list[str]:
        """Of those that are there, sorted."""
        there = files.names(files.join(self._folder, SELECTIONS_FOLDER))
        names = [name.removesuffix(_EXTENSION) for name in there if name.endswith(_EXTENSION)]
        return [name for name in names if _NAME.fullmatch(name)]

    def path(self, name: str) -> str:
        """Of the input list.

        Raises:
            RefusedError: it is no name of a selection.
        """
        if not _NAME.fullmatch(name):
            raise RefusedError(
                400, "a name is 1 to 64 letters and digits of ASCII, with - and _ within"
            )
        return files.join(self._folder, _below(name))

    def save(self, name: str, rows: bytes) -> int:
        """Writes an input list.

        Args:
            name: of the selection.
            rows: their positions as JSON, `[3, 0]`.

        Returns:
            How many rows it has.

        Raises:
            RefusedError: the name or the rows cannot be, or there is such a selection already.
        """
        path, chosen = self.path(name), self._rows(rows)
        with self._turn:
            names = self.names()
            if name in names:
                raise RefusedError(409, f"there is a selection {name} already: take another name")
            # Before it is there: nothing in this folder is ever taken for an input.
            mark_files(self._folder, *map(_below, sorted([*names, name])), command="view")
            files.write_bytes(path, _input_list(self._uris[row] for row in chosen))
        return len(chosen)

    def rows(self, name: str) -> list[int]:
        """Positions of the rows that a selection names, in order.

        Raises:
            RefusedError: there is none.
            UserError: it cannot be read, since somebody has changed it.
        """
        path = self.path(name)
        if name not in self.names():
            raise RefusedError(404, f"there is no selection {name}")
        found: list[int] = np.flatnonzero(Listed(path).among(self._uris)).tolist()
        return found

    def _rows(self, text: bytes) -> list[int]:
        try:
            rows = json.loads(text)
        except (ValueError, RecursionError):
            rows = None
        if not isinstance(rows, list) or not rows or not all(map(self._is_row, rows)):
            raise RefusedError(400, "expected the positions of some rows of the page")
        return list(dict.fromkeys(rows))

    def _is_row(self, row: object) -> bool:
        return type(row) is int and 0 <= row < len(self._uris)  # True is an int too


def _below(name: str) -> str:
    """The path below the folder of the run."""
    return f"{SELECTIONS_FOLDER}/{name}{_EXTENSION}"


def _input_list(uris: Iterable[str]) -> bytes:
    r"""With the names that the system knows: nobody else reads `\xNN`."""
    cells = io.StringIO(newline="")
    rows = ([name_of(uri)] for uri in uris)
    csv.writer(cells, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(rows)
    return f"uri\n{cells.getvalue()}".encode("utf-8", "surrogateescape")
