"""What a command derives from a run: all at once in its place, and marked as no later input."""

from __future__ import annotations

import contextlib
import json
import posixpath
from collections.abc import Iterable, Iterator, Sequence

from transforms._version import VERSION
from transforms.rows.names import MARKER, UNFINISHED
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
    """Marks files that a command writes into one folder of a run, before it does.

    Args:
        run: the run's folder.
        paths: of the files below it, all in the same folder.
        command: which writes them.
    """
    folder = files.join(run, posixpath.dirname(paths[0]))
    mark(folder, command=command, entries=map(posixpath.basename, paths))


@contextlib.contextmanager
def staged(
    place: str,
    *,
    command: str,
    names: Sequence[str],
    folders: Sequence[str] = (),
    marked: Iterable[str] | None = None,
    prefix: str | None = None,
) -> Iterator[str]:
    """A folder to write to; what is in it goes to its place once the body has ended.

    Whatever fails before, for want of room for the last file as well, leaves what was there. On
    this machine the rest is renaming. In a bucket objects come one by one: `NAME.json` goes first
    and comes last, and a folder NAME without it is not whole.

    Args:
        place: the folder that all of it goes to.
        command: which writes.
        names: of the files that the body writes.
        folders: names of the folders that it writes, each with a file `NAME.json` among `names`.
        marked: what the marker of `place` names; None for `names` and `folders`.
        prefix: tells the unfinished folders of those apart that may work side by side in `place`;
            None for the command.

    Yields:
        The path of the folder, which is not made yet.
    """
    staging = files.fresh_folder(place, prefix=f"{UNFINISHED}{prefix or command}-")
    try:
        yield staging
        entries = [*names, *folders] if marked is None else marked
        mark(staging, command=command, entries=entries)
        if folders and not files.is_local(place):
            files.delete([files.join(place, f"{name}.json") for name in folders])
        for name in folders:
            files.replace_tree(files.join(staging, name), files.join(place, name))
        moved = [MARKER, *names]
        files.move([(files.join(staging, name), files.join(place, name)) for name in moved])
    finally:
        with contextlib.suppress(OSError):  # the disk may be what it has failed with
            files.delete_tree(staging)
