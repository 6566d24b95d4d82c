"""Inputs as a user writes them (folder, glob, input list, file) turned into a stream of pictures.

Plain generators, no Beam: memory does not grow with the number of pictures.
"""

from __future__ import annotations

import functools
import glob
import itertools
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from transforms.errors import UserError, clause
from transforms.failures import ImageError
from transforms.inputs import remote
from transforms.inputs.archives.kinds import ARCHIVE_KINDS, PARQUET, archive_kind
from transforms.inputs.archives.parquet import (
    parquet_content,
    parquet_schema,
    require_pictures,
)
from transforms.inputs.braces import expand
from transforms.inputs.file_types import skip_kind
from transforms.inputs.folders import is_result, list_folder, list_glob
from transforms.inputs.input_lists import is_list_name, list_rows, require_uris
from transforms.inputs.remote import Part
from transforms.inputs.skips import HIDDEN, NO_PICTURES, RESULTS, Count, Listed, Skipped, in_words
from transforms.records import ImageRef
from transforms.storage import files
from transforms.storage.addresses import local_path, shown
from transforms.storage.files import absolute

PARTS_AT_ONCE = 16
"""Parts of an input that one process lists at a time."""

# As many as a page of a bucket's listing.
_PAGE = 1000


def list_input(source: str, *, image_key: str | None = None) -> Iterator[Listed]:
    """Lists what one `--input` stands for, a piece at a time and from its beginning.

    Args:
        source: a folder (searched recursively for image extensions and archives), an input list
            (.txt, .csv, .tsv, .json, .jsonl or .parquet, see
            `transforms.inputs.input_lists.list_rows`), a glob (`**` included) or a single file;
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
    source = local_path(source)
    found = _parts(source, split=split)
    if not found:
        raise nothing_matched(source)
    return [part._replace(source=source, image_key=image_key) for part in found]


def _parts(source: str, *, split: bool) -> list[Part]:
    """The parts of all paths that braces stand for; none if nothing is there."""
    paths = [source]
    if "{" in source and not _exists(source):
        paths = expand(source)
    if files.is_local(source):
        found = [_local_part(path) for path in paths]
        if len(found) == 1:
            return [part for part in found if os.path.lexists(part.path) or part.kind != "file"]
        # One of several that is not there is a failure as its row.
        return found if any(os.path.lexists(p.path) or p.kind != "file" for p in found) else []
    with files.explained(source, what=named(source)):
        return [part for path in paths for part in remote.parts(path, split=split)]


def _exists(source: str) -> bool:
    if files.is_local(source):
        return os.path.lexists(absolute(source))
    with files.explained(source, what=named(source)):
        return files.exists(source)


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
            # One page at a time of each: no two threads may be in one generator.
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
    # What is there wins over what looks like a pattern: names may hold brackets.
    if os.path.isdir(path):
        return Part(source, "local folder", path)
    if glob.has_magic(source) and not os.path.lexists(path):
        return Part(source, "local glob", path)
    return Part(source, "file", path)


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
    for ref, ours in remote.refs_with_results(part):
        if ref.uri.endswith("/"):  # what consoles make to show an empty folder
            continue
        below = ref.uri.removeprefix(part.path)
        known = RESULTS if ours or is_result(f"/{below}") else None
        kind = known or _kind_in_folder(ref.uri, below, image_key=part.image_key)
        yield ref if kind is None else Skipped(ref.uri, kind)


def _list_remote_glob(part: Part) -> Iterator[Listed]:
    for ref, ours in remote.refs_with_results(part):
        kind = (
            RESULTS
            if ours or is_result(ref.uri)
            else _kind_in_glob(ref.uri, image_key=part.image_key)
        )
        yield ref if kind is None else Skipped(ref.uri, kind)


def named(source: str) -> str:
    """What messages call an input."""
    return f"--input {shown(source)}"


def nothing_matched(source: str, *, skipped: Mapping[str, Count] | None = None) -> UserError:
    """The error for an input that yields no picture.

    Args:
        source: the input.
        skipped: what there was instead.
    """
    found = f"no picture, but {in_words(skipped)}" if skipped else "nothing matched"
    archives = ", ".join(kind.extension for kind in ARCHIVE_KINDS)
    if not skipped and (hint := _bracket_hint(source)):
        return UserError(f"{named(source)}: {found}. {hint}")
    return UserError(
        f"{named(source)}: {found}. Expected a folder with pictures, a glob (in quotes), an input "
        f"list (.txt, .csv, .tsv, .jsonl, .parquet), an archive ({archives}) or a picture."
    )


def _bracket_hint(source: str) -> str:
    """What to write where brackets of a name were taken for those of a pattern."""
    if "[" not in source:
        return ""
    parts = source.split("/")
    for count in range(len(parts), 0, -1):
        there = "/".join(parts[:count])
        if "[" in there and files.is_local(source) and os.path.lexists(absolute(there)):
            meant = "/".join([glob.escape(there), *parts[count:]])
            return f"Brackets stand for one of the characters in them. Write '{meant}'."
    return (
        "Brackets stand for one of the characters in them. Where a name has them, write [[] for "
        "the opening one."
    )


def _is_input_list(path: str, *, image_key: str | None) -> bool:
    """Parquet may be an archive of pictures or an input list: its columns tell.

    Raises:
        UserError: it is neither.
    """
    if archive_kind(path) is not PARQUET:
        return is_list_name(path)
    try:
        columns = parquet_schema(path)
        if "uri" in columns.names and (image_key is None or image_key not in columns.names):
            return True
        require_pictures(path, image_key=image_key)
    except ImageError as error:
        if image_key is None and _names_pictures(path):
            return True
        raise UserError(
            f"{path}: {clause(error)}. Expected Parquet with pictures in a column of bytes or of "
            "struct<bytes, path>, or an input list with a column 'uri'."
        ) from error
    return False


def _names_pictures(path: str) -> bool:
    """Whether Parquet without a column `uri` is an input list all the same.

    It is none if it holds pictures: a column `image` of theirs may be taken for one of names, too.
    """
    try:
        require_uris(path)
        return parquet_content(path, image_key=None) != "pictures"
    except (UserError, ImageError):
        return False


def _kind_in_folder(path: str, below: str, *, image_key: str | None) -> str | None:
    """Why a file of a folder is no input; None if it is. Damaged Parquet is, so that it shows.

    Args:
        path: of the file.
        below: its path below the folder that is searched, or its name.
        image_key: as in `list_input`.
    """
    kind = skip_kind(below)
    if kind is not None or archive_kind(path) is not PARQUET:
        return kind
    return _kind_of_parquet(path, image_key=image_key)


def _kind_of_parquet(path: str, *, image_key: str | None) -> str | None:
    try:
        found = parquet_content(path, image_key=image_key)
    except ImageError:
        return None
    return {"pictures": None, "results": RESULTS, "others": NO_PICTURES}[found]


def _kind_in_glob(path: str, *, image_key: str | None) -> str | None:
    """As `_kind_in_folder`; a glob takes every file, but what a system or a command has made."""
    name = os.path.basename(path)
    kind = _kind_in_folder(path, name, image_key=image_key)
    wanted = kind not in (HIDDEN, RESULTS) or name.startswith(".")  # a pattern has to say the dot
    return None if wanted else kind


def _list_local_folder(part: Part) -> Iterator[Listed]:
    def kind_of(path: str) -> str | None:
        return _kind_in_folder(path, os.path.basename(path), image_key=part.image_key)

    return list_folder(part.path, kind_of=kind_of)


def _list_local_glob(part: Part) -> Iterator[Listed]:
    return list_glob(part.path, kind_of=functools.partial(_kind_in_glob, image_key=part.image_key))


_LISTINGS: Mapping[str, Callable[[Part], Iterator[Listed]]] = {
    "local folder": _list_local_folder,
    "local glob": _list_local_glob,
    "file": _list_file,
    "remote folder": _list_remote_folder,
    "remote glob": _list_remote_glob,
}
