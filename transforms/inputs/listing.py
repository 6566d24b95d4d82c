"""Inputs as a user writes them (folder, glob, input list, file) turned into a stream of pictures.

Plain generators, no Beam: memory does not grow with the number of pictures.
"""

from __future__ import annotations

import glob
import itertools
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from transforms.errors import UserError
from transforms.failures import ImageError, Reason, read_failure
from transforms.inputs import remote
from transforms.inputs.archives.base import IMAGE_EXTENSIONS, Listed, Skipped
from transforms.inputs.archives.kinds import ARCHIVE_KINDS, PARQUET, archive_kind
from transforms.inputs.archives.parquet import image_column, parquet_schema
from transforms.inputs.input_lists import INPUT_LIST_EXTENSIONS, list_rows
from transforms.inputs.remote import Part
from transforms.records import ImageRef
from transforms.rows.names import MANIFEST, UNFINISHED
from transforms.storage import files
from transforms.storage.addresses import shown
from transforms.storage.files import absolute

PARTS_AT_ONCE = 16
"""Parts of an input that one process lists at a time."""

_PAGE = 1000


def list_input(source: str, *, image_key: str | None = None) -> Iterator[Listed]:
    """Lists what one `--input` stands for, a piece at a time and from its beginning.

    Args:
        source: a folder (searched recursively for image extensions and archives), an input list
            (.txt,
            .csv, .jsonl or .parquet with a `uri` column), a glob (`**` included) or a single file;
            on this machine, in Cloud Storage (gs://) or where else Beam can read. A path that
            exists as it is written wins over its reading as a glob.
        image_key: the column of Parquet files that holds pictures; a file with this column is a
            archive even if it has a column `uri`.

    Yields:
        An `ImageRef` a picture or archive (`transforms.inputs.archives.base`), a `Skipped` for each
        other file of a
        folder, and a `Failure` for whatever could not be listed (a folder without permission, a
        broken line of an input list).

    Raises:
        UserError: the source matches nothing, or an input list has no `uri` column, or the storage
            cannot be used.
    """
    return itertools.chain.from_iterable(
        map(list_part, parts(source, split=False, image_key=image_key))
    )


def parts(source: str, *, split: bool = True, image_key: str | None = None) -> list[Part]:
    """What one `--input` stands for, in parts that can be listed at the same time.

    Args:
        source: as in `list_input`.
        split: False for one part only.
        image_key: as in `list_input`.
    """
    if files.is_local(source):
        return [_local_part(source)._replace(image_key=image_key)]
    with files.explained(source, what=named(source)):
        found = remote.parts(source, split=split)
    return [part._replace(image_key=image_key) for part in found]


def list_part(part: Part) -> Iterator[Listed]:
    """Lists a part of an input; see `list_input`."""
    with files.explained(part.source, what=named(part.source)):
        yield from _LISTINGS[part.kind](part)


def list_together(parts: Sequence[Part]) -> Iterator[Listed]:
    """Lists parts at the same time, in no order; few pages of each are held."""
    if len(parts) == 1:
        yield from list_part(parts[0])
        return
    waiting = iter(parts)
    with ThreadPoolExecutor(PARTS_AT_ONCE) as pool:
        running: dict[Future[list[Listed]], Iterator[Listed]] = {}

        def proceed(listing: Iterator[Listed]) -> None:
            running[pool.submit(lambda: list(itertools.islice(listing, _PAGE)))] = listing

        for part in itertools.islice(waiting, PARTS_AT_ONCE):
            proceed(list_part(part))
        while running:
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                listing, page = running.pop(future), future.result()
                if page:
                    proceed(listing)
                elif following := next(waiting, None):
                    proceed(list_part(following))
                yield from page


def _local_part(source: str) -> Part:
    path = os.path.normpath(absolute(source))
    if os.path.isdir(path):
        return Part(source, "local folder", path)
    if os.path.lexists(path):
        return Part(source, "file", path)
    if glob.has_magic(source):
        return Part(source, "local glob", path)
    raise nothing_matched(source)


def is_input_list(part: Part) -> bool:
    """Whether a part is a file that lists pictures.

    Raises:
        UserError: it is Parquet of another kind.
    """
    return part.kind == "file" and _is_input_list(part.path, image_key=part.image_key)


def _list_file(part: Part) -> Iterator[Listed]:
    if is_input_list(part):
        return list_rows(part.path)
    return iter([ImageRef(part.path)])


def _list_remote_folder(part: Part) -> Iterator[Listed]:
    for ref in remote.refs(part):
        if _holds_pictures(ref.uri, image_key=part.image_key):
            yield ref
        elif not ref.uri.endswith("/"):  # what consoles make to show an empty folder
            yield Skipped(ref.uri)


def named(source: str) -> str:
    """What messages call an input."""
    return f"--input {shown(source)}"


def nothing_matched(source: str) -> UserError:
    """The error for an input that yields no picture."""
    archives = ", ".join(kind.extension for kind in ARCHIVE_KINDS)
    return UserError(
        f"{named(source)}: nothing matched. Expected a folder with pictures, a glob (in "
        f"quotes), an input list (.txt, .csv, .jsonl, .parquet), an archive ({archives}) or a "
        "picture."
    )


def _is_input_list(path: str, *, image_key: str | None) -> bool:
    """Parquet may be an archive of pictures or an input list: its columns tell.

    Raises:
        UserError: it is neither.
    """
    if archive_kind(path) is not PARQUET:
        return os.path.splitext(path)[1].lower() in INPUT_LIST_EXTENSIONS
    try:
        columns = parquet_schema(path)
        if "uri" in columns.names and (image_key is None or image_key not in columns.names):
            return True
        image_column(columns, image_key=image_key)
    except ImageError as error:
        raise UserError(
            f"{path}: {error}. Expected Parquet with pictures in a column of bytes or of "
            "struct<bytes, path>, or an input list with a column 'uri'."
        ) from error
    return False


def _holds_pictures(path: str, *, image_key: str | None) -> bool:
    """Whether a file is a picture or an archive; damaged Parquet is, so that it shows."""
    if archive_kind(path) is not PARQUET:
        extension = os.path.splitext(path)[1].lower()
        return extension in IMAGE_EXTENSIONS or archive_kind(path) is not None
    try:
        image_column(parquet_schema(path), image_key=image_key)
    except ImageError as error:
        return error.reason is not Reason.NO_PICTURES
    return True


def _list_folder(
    folder: str, *, ancestors: tuple[tuple[int, int], ...], image_key: str | None
) -> Iterator[Listed]:
    """Walks a folder and the folders that its links lead to; a loop of links is entered once."""
    try:
        status = os.stat(folder)
        entries = os.scandir(folder)
    except OSError as error:
        message = f"the folder could not be listed: {error.strerror}"
        yield read_failure(folder, Reason.from_os_error(error), message)
        return
    here = (status.st_dev, status.st_ino)
    if here in ancestors:
        return
    results = _results(folder)
    with entries:
        for entry in entries:
            if entry.name in results or _ATTEMPT.fullmatch(entry.name):
                yield Skipped(entry.path)
            elif entry.is_dir():
                deeper = (*ancestors, here)
                yield from _list_folder(entry.path, ancestors=deeper, image_key=image_key)
            elif _holds_pictures(entry.path, image_key=image_key):
                yield _with_status(entry)
            else:
                yield Skipped(entry.path)


_ATTEMPT = re.compile(rf"{UNFINISHED}[0-9a-f]{{12}}")


def _results(folder: str) -> frozenset[str]:
    """Names in a folder that came from a labelling run: its rows, and an export of its pictures.

    A folder may be input and output at once, so pictures beside them stay pictures.
    """
    above, name = os.path.split(folder)
    if name == "export" and _rows(above):
        return frozenset(["imagefolder"])
    return _rows(folder)


def _rows(folder: str) -> frozenset[str]:
    """Names of the files that the manifest of a run in the folder lists."""
    try:
        with open(os.path.join(folder, MANIFEST), "rb") as file:
            return frozenset(archive["name"] for archive in json.load(file)["files"])
    except (OSError, ValueError, KeyError, TypeError):  # none, or somebody else's
        return frozenset()


def _with_status(entry: os.DirEntry[str]) -> ImageRef:
    try:
        status = entry.stat()
    except OSError:  # a dangling link, or gone meanwhile: the failure comes with the reading
        return ImageRef(entry.path)
    return ImageRef(entry.path, size=status.st_size, version=str(status.st_mtime_ns))


def _list_glob(pattern: str) -> Iterator[Listed]:
    for path in glob.iglob(pattern, recursive=True):
        if not os.path.isdir(path):
            yield ImageRef(path)


_LISTINGS: Mapping[str, Callable[[Part], Iterator[Listed]]] = {
    "local folder": lambda part: _list_folder(part.path, ancestors=(), image_key=part.image_key),
    "local glob": lambda part: _list_glob(part.path),
    "file": _list_file,
    "remote folder": _list_remote_folder,
    "remote glob": remote.refs,
}
