"""The marker of a folder that a command has written: what in it is no input of a later run."""

from __future__ import annotations

import json
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
