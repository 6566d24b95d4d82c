"""Whose an output folder is: what `_RUNNING.json` says, and whether it still names this attempt.

A process may sleep longer than others wait for it, and a service may run the last step of a job
again when another run has long had the folder. So whoever changes what lies there looks first.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Mapping
from typing import Any

from transforms.errors import UserError
from transforms.storage import files

NAME = "_RUNNING.json"

# The launcher of a run and its last step may write at the same moment; each then looks again.
_TRIES = 3

_FIELDS: Mapping[str, tuple[type, ...]] = {
    "host": (str,),
    "pid": (int,),
    "started": (str,),
    "runner": (str, type(None)),
    "beats": (int,),
}


def key(attempt: str) -> str:
    """What `_RUNNING.json` calls an attempt: the name of its folder."""
    return posixpath.basename(attempt)


def seen(path: str) -> tuple[bytes, str | None]:
    """Content and version of a file; neither if there is none."""
    try:
        file, version = files.open_versioned(path)
        with file:
            return file.read(), version
    except FileNotFoundError:
        return b"", None


def parsed(path: str, content: bytes) -> dict[str, Any]:
    """What the file says; nothing if nobody has written yet.

    Raises:
        UserError: it is damaged.
    """
    # Padding, and zeros where a machine lost its power before the content was on the disk.
    content = content.strip(b" \0")
    if not content:
        return {}
    try:
        holder = json.loads(content)
        if all(isinstance(holder[name], kinds) for name, kinds in _FIELDS.items()):
            return dict(holder)
    except (ValueError, TypeError, KeyError, RecursionError):
        pass
    raise UserError(
        f"{path}: damaged, so it does not say which run is writing there. If you know that none "
        "is, delete it."
    )


def encoded(holder: Mapping[str, Any]) -> bytes:
    """The content of the file."""
    return json.dumps(holder).encode("ascii")


def described(holder: Mapping[str, Any]) -> str:
    """A run, for a message."""
    job = f" as a job on {holder['runner']}" if holder.get("runner") else ""
    return (
        f"{job}, host {holder.get('host', '?')}, process {holder.get('pid', '?')}, "
        f"started {holder.get('started', '?')}"
    )


def require(folder: str, attempt: str, content: bytes) -> dict[str, Any]:
    """Refuses to go on where the file names another run.

    Args:
        folder: of the outputs.
        attempt: of this run, its folder or its name.
        content: of the file.

    Returns:
        What the file says; nothing if there is none, since somebody has deleted it.

    Raises:
        UserError: another run has the folder.
    """
    holder = parsed(files.join(folder, NAME), content)
    # By the name of the attempt: host and process may be those of an earlier run.
    if holder and holder.get("attempt") != key(attempt):
        raise UserError(
            f"--output {folder}: another run has taken the folder over{described(holder)}. This "
            "one has published nothing. Let the other end, then run again with --resume."
        )
    return holder


def renew(folder: str, attempt: str) -> None:
    """Shows that a run lives, if the folder is still its own.

    In storage that can tell versions, a run that is about to take the folder over finds the file
    changed and leaves it. On this machine the lock of the system does that, and nothing is written.

    Raises:
        UserError: as `require`.
        OSError: the storage fails.
    """
    path = files.join(folder, NAME)
    for _ in range(_TRIES):
        content, version = seen(path)
        holder = require(folder, attempt, content)
        if not holder or files.is_local(folder):
            return
        holder["beats"] += 1
        if files.claim(path, encoded(holder), version=version):
            return
