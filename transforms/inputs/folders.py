"""Folders of this machine, walked with or without a pattern: pictures, failures, named skips."""

from __future__ import annotations

import collections
import fnmatch
import functools
import json
import os
import re
import stat
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, TypeAlias

from transforms.failures import Reason, read_failure
from transforms.inputs.file_types import is_hidden_folder
from transforms.inputs.skips import HIDDEN, LINKED_AGAIN, RESULTS, Listed, Skipped
from transforms.records import ImageRef
from transforms.rows.names import (
    ASIDE,
    EXPORT_FOLDER,
    EXPORTS,
    FAILURES_FOLDER,
    MANIFEST,
    MARKER,
    OF_A_RUN,
    RUNNING,
    UNFINISHED,
)
from transforms.storage import local

# How often a folder is entered by links. Twenty folders that hold links to each other have more
# ways through them than anyone can walk.
_MOST_VISITS = 16

# Of a manifest at most: half a million shards. A larger file of that name is somebody else's.
_MANIFEST_BYTES = 64 * 1024 * 1024

_SHARD = re.compile(r"[a-z]+-\d+-of-\d+\.")
_ROWS = re.compile(r"(predictions|failures)-\d{5}-of-\d{5}\.")
_ATTEMPT = re.compile(rf"{UNFINISHED}([a-z-]+-)?[0-9a-f]{{12}}")

_Kind: TypeAlias = "Callable[[str], str | None]"


def list_folder(folder: str, *, kind_of: _Kind) -> Iterator[Listed]:
    """Every file of a folder, of those below it, and of those that its links lead to.

    Args:
        folder: absolute.
        kind_of: why a file is no input, by its path; None if it is one.

    Yields:
        A reference a picture or archive, a Skipped a file that is none or a folder that is not
        entered, a Failure whatever could not be looked at.
    """
    return _walk(folder, None, kind_of)


def list_glob(pattern: str, *, kind_of: _Kind) -> Iterator[Listed]:
    """Every file that a pattern matches; as in `glob`, `**` stands for any number of folders.

    Args:
        pattern: absolute.
        kind_of: as in `list_folder`.
    """
    root, parts = _split(pattern)
    return _walk(root, _Pattern(parts), kind_of)


class _Folder(NamedTuple):
    """A folder to enter.

    Attributes:
        path: of it.
        above: the folders on the way to it, None of the first.
        by_link: whether there is a link among them.
        at: where in the pattern its entries are, see `_Pattern`.
        identity: device and inode, once it was entered.
    """

    path: str
    above: _Folder | None
    by_link: bool
    at: frozenset[int]
    identity: tuple[int, int] = (0, 0)


def _walk(root: str, pattern: _Pattern | None, kind_of: _Kind) -> Iterator[Listed]:
    """With a list of what is still to enter: folders nest deeper than calls may."""
    visits: collections.Counter[tuple[int, int]] = collections.Counter()
    to_enter = [_Folder(root, None, False, pattern.start if pattern else frozenset())]
    while to_enter:
        folder = to_enter.pop()
        try:
            status = os.stat(folder.path)
        except OSError as error:
            if pattern is None or folder.above is not None or os.path.lexists(folder.path):
                yield _unlisted(folder.path, error)
            continue
        if pattern is not None and not stat.S_ISDIR(status.st_mode):
            continue
        # Not by path: links give one folder many.
        folder = folder._replace(identity=(status.st_dev, status.st_ino))
        if _leads_back(folder):
            continue
        if folder.above is not None and status.st_dev in _system_devices():
            yield Skipped(folder.path, HIDDEN)
            continue
        visits[folder.identity] += folder.by_link
        if folder.by_link and visits[folder.identity] > _MOST_VISITS:
            yield Skipped(folder.path, LINKED_AGAIN)
            continue
        for item in _entered(folder, pattern, kind_of):
            if isinstance(item, _Folder):
                to_enter.append(item)
            else:
                yield item


@functools.cache
def _system_devices() -> frozenset[int]:
    """Where Linux shows itself as files. From `/proc` links lead to every folder of the machine."""
    return frozenset(os.stat(path).st_dev for path in ("/proc", "/sys") if os.path.ismount(path))


def _leads_back(folder: _Folder) -> bool:
    above = folder.above
    while above is not None:
        if above.identity == folder.identity:
            return True
        above = above.above
    return False


def _entered(
    folder: _Folder, pattern: _Pattern | None, kind_of: _Kind
) -> Iterator[Listed | _Folder]:
    """What is in a folder; folders below it are handed out to be entered."""
    results = _results(folder.path)
    for entry in _entries(folder.path):
        if isinstance(entry, OSError):
            yield _unlisted(folder.path, entry)
            continue
        at = pattern.after(folder.at, entry.name) if pattern else frozenset()
        if pattern and not at:
            continue
        try:
            is_folder = entry.is_dir()
        except OSError as error:  # a link to itself, or to where we may not look
            if pattern is None or pattern.end in at:
                yield read_failure(entry.path, Reason.from_os_error(error), _words(error))
            continue
        if is_folder:
            if pattern and at == {pattern.end}:
                continue  # a folder that the pattern names; it asks for files
            if entry.name in results or _ATTEMPT.fullmatch(entry.name):
                yield Skipped(entry.path, RESULTS)
            elif is_hidden_folder(entry.name) and not (pattern and pattern.wants(entry.name)):
                yield Skipped(entry.path, HIDDEN)
            else:
                yield _Folder(entry.path, folder, folder.by_link or entry.is_symlink(), at)
        elif pattern is None or pattern.end in at:
            kind = RESULTS if entry.name in results else kind_of(entry.path)
            yield _with_status(entry) if kind is None else Skipped(entry.path, kind)


def _entries(folder: str) -> Iterator[os.DirEntry[str] | OSError]:
    """The entries, and the error that ends them, if one does."""
    try:
        with os.scandir(folder) as entries:
            while (entry := next(entries, None)) is not None:
                yield entry
    except OSError as error:
        yield error


def _unlisted(folder: str, error: OSError) -> Listed:
    message = f"the folder could not be listed: {_words(error)}"
    return read_failure(folder, Reason.from_os_error(error), message)


def _words(error: OSError) -> str:
    return error.strerror or str(error)


def _with_status(entry: os.DirEntry[str]) -> ImageRef:
    try:
        status = entry.stat()
    except OSError:  # a dangling link, or gone meanwhile: the failure comes with the reading
        return ImageRef(entry.path)
    return ImageRef(entry.path, size=status.st_size, version=str(status.st_mtime_ns))


# ---- what our own commands wrote --------------------------------------------------------------


def is_result(uri: str) -> bool:
    """Whether an object is of a run, by its name alone: in a bucket no manifest is read for it."""
    *folders, name = uri.split("/")
    unfinished = any(map(_ATTEMPT.fullmatch, folders))
    return unfinished or name in (MARKER, *OF_A_RUN) or _ROWS.match(name) is not None


def _results(folder: str) -> frozenset[str]:
    """Names in a folder that a command of ours wrote, as its manifest or its marker lists them.

    A folder may be input and output at once, so pictures beside them stay pictures.
    """
    names = _rows(folder) | _marked(folder) | {RUNNING}
    above, name = os.path.split(folder)
    if name == FAILURES_FOLDER:
        return names | _rows(above)
    # One that was interrupted has no marker yet.
    exports = (EXPORT_FOLDER, EXPORT_FOLDER.removeprefix(ASIDE))
    return names | EXPORTS if name in exports and _rows(above) else names


def _rows(folder: str) -> frozenset[str]:
    """Names of the files that the manifest of a run in the folder lists, without their folders."""
    found = _json(folder, MANIFEST)
    try:
        names = [os.path.basename(file["name"]) for file in found["files"]]
    except (LookupError, TypeError):
        return frozenset()
    # A manifest of somebody else's may list pictures.
    ours = [name for name in names if _SHARD.match(name)]
    return OF_A_RUN.union(ours) if ours else frozenset()


def _marked(folder: str) -> frozenset[str]:
    """Names that the marker of a derived folder lists."""
    return _entries_of(_json(folder, MARKER))


def marked_entries(content: bytes) -> frozenset[str]:
    """Names that a marker lists; none if it is none of ours."""
    try:
        return _entries_of(json.loads(content))
    except (ValueError, RecursionError):
        return frozenset()


def _entries_of(found: Any) -> frozenset[str]:
    if not isinstance(found, dict) or "quantlabel" not in found:
        return frozenset()
    entries = found.get("entries")
    names = entries if isinstance(entries, list) else []
    return frozenset([MARKER, *(name for name in names if isinstance(name, str))])


def _json(folder: str, name: str) -> Any:
    """What a file of a folder holds; None if there is none, or it is another's."""
    try:
        with local.open_read(os.path.join(folder, name)) as file:
            return json.loads(file.read(_MANIFEST_BYTES))
    except (OSError, ValueError, RecursionError):
        return None


# ---- patterns -----------------------------------------------------------------------------------

_ANY_FOLDERS = "**"
_ESCAPED = re.compile(r"\[([*?\[])\]")
_MAGIC = re.compile(r"[*?\[]")


def _split(pattern: str) -> tuple[str, list[str]]:
    """The folder before the first wildcard, and the parts of the pattern below it."""
    parts = pattern.split("/")
    wild = (at for at, part in enumerate(parts) if _MAGIC.search(_ESCAPED.sub("", part)))
    at = next(wild, len(parts) - 1)
    root = "/".join(_ESCAPED.sub(r"\1", part) for part in parts[:at])
    return root or "/", parts[at:]


class _Pattern:
    """A pattern as the walk follows it: a set of places, each a number of parts that are behind.

    So a tree is walked once however often the pattern says `**`.
    """

    def __init__(self, parts: Sequence[str]) -> None:
        self._parts = list(parts)
        self._matches = [re.compile(fnmatch.translate(part)).match for part in parts]
        self.end = len(self._parts)
        self.start = self._reached([0])

    def _reached(self, places: Sequence[int]) -> frozenset[int]:
        """With those behind a `**`, which may stand for no folder at all."""
        reached = set()
        for place in places:
            reached.add(place)
            while place < self.end and self._parts[place] == _ANY_FOLDERS:
                place += 1
                reached.add(place)
        return frozenset(reached)

    def after(self, places: frozenset[int], name: str) -> frozenset[int]:
        """Where a name leads to; to nothing if it does not match."""
        following = []
        for place in places - {self.end}:
            if self._parts[place] == _ANY_FOLDERS:
                following += [] if name.startswith(".") else [place]
            elif self._matches[place](name) and (
                not name.startswith(".") or self._parts[place].startswith(".")
            ):
                following.append(place + 1)
        return self._reached(following)

    def wants(self, name: str) -> bool:
        """Whether a hidden folder that it matches is what the user asks for: by name or dot."""
        return name.startswith(".") or name in self._parts
