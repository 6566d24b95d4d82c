"""The marker of a folder that a command has written: what in it is no input of a later run."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterable

from transforms._version import VERSION
from transforms.rows.names import MARKER
from transforms.storage import files


def mark(folder: str, *, command: str, entries: Iterable[str]) -> None:
    """Writes the marker. It lies in the folder itself, so it stays with it wherever that is moved.

    Args:
        folder: that was written to.
        command: which did.
        entries: names in the folder that are ours; what else comes to lie there is the user's.
    """
    content = {"quantlabel": VERSION, "command": command, "entries": sorted(entries)}
    files.write_bytes(files.join(folder, MARKER), json.dumps(content, indent=2).encode())


def mark_files(run: str, *paths: str, command: str) -> None:
    """Marks files that a command has written into one folder of a run.

    Args:
        run: the run's folder.
        paths: of the files below it, all in the same folder.
        command: which wrote them.
    """
    folder = files.join(run, posixpath.dirname(paths[0]))
    mark(folder, command=command, entries=map(posixpath.basename, paths))
