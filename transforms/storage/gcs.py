"""Objects in Cloud Storage, with the functions that `transforms.storage.files` describes."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import IO, Any, NamedTuple, cast

from google.api_core.exceptions import NotFound, PreconditionFailed
from google.cloud.storage.retry import DEFAULT_RETRY

from transforms.storage.content import ChangedError
from transforms.storage.gcs_client import (
    CHUNK_BYTES,
    PATIENCE_S,
    WAIT,
    blob,
    connection,
    described,
    parse,
    translated,
)
from transforms.storage.gcs_read import open_read, open_versioned, read, read_bytes

__all__ = [
    "Object",
    "Page",
    "changed",
    "claim",
    "create",
    "delete",
    "delete_tree",
    "delete_version",
    "exists",
    "find",
    "folders",
    "move",
    "names",
    "open_read",
    "open_versioned",
    "pages",
    "read",
    "read_bytes",
    "replace_tree",
    "require_access",
]

# How long a run waits for its storage before it starts: a typing error should not cost minutes.
_PREFLIGHT_S = 10.0

# Objects moved or deleted at a time.
_AT_ONCE = 16


class Object(NamedTuple):
    """An object as a listing knows it: its name in the bucket, its bytes, its generation."""

    name: str
    size: int
    version: str


# ---- listing --------------------------------------------------------------------------------


def find(uri: str, *, patience_s: float = PATIENCE_S) -> tuple[int, str] | None:
    """Bytes and generation of an object; None if there is none, as in a bucket that is missing."""
    _, name = parse(uri)
    if not name:
        return None
    try:
        item = described(uri, patience_s)
        with translated(uri):
            return int(item.size), str(item.generation)
    except FileNotFoundError:
        return None


def exists(path: str) -> bool:
    """Whether an object is there."""
    return find(path) is not None


def changed(path: str) -> float | None:
    """When the generation that is there now was made."""
    try:
        found = described(path, PATIENCE_S)
        with translated(path):
            return cast("float", found.time_created.timestamp())
    except FileNotFoundError:
        return None


class Page(NamedTuple):
    """One answer of a listing: objects, and with a delimiter the prefixes beside them."""

    objects: list[Object]
    prefixes: list[str]


def pages(
    uri: str,
    *,
    delimiter: str | None = None,
    start: str | None = None,
    end: str | None = None,
    page_size: int | None = None,
    patience_s: float = PATIENCE_S,
) -> Iterator[Page]:
    """Lists the objects whose names begin as `uri` does, a page of 1,000 at a time.

    Args:
        uri: gs://BUCKET/PREFIX.
        delimiter: what ends a prefix, or None for all levels at once.
        start: the first name to list.
        end: the first name to list no more.
        page_size: names a page, fewer than 1,000; None for as many.
        patience_s: for each page.

    Raises:
        OSError: as `transforms.storage.gcs_client.translated` says.
    """
    bucket, prefix = parse(uri)
    with translated(uri):
        listing = connection().client.list_blobs(
            bucket,
            prefix=prefix or None,
            delimiter=delimiter,
            start_offset=start,
            end_offset=end,
            page_size=page_size,
            fields="items(name,size,generation),prefixes,nextPageToken",
            retry=DEFAULT_RETRY.with_timeout(patience_s),
            timeout=WAIT,
        )
        answers = iter(listing.pages)
    while True:
        with translated(uri):
            page = next(answers, None)
            if page is None:
                return
            objects = [Object(item.name, int(item.size), str(item.generation)) for item in page]
            prefixes = list(page.prefixes)
        yield Page(objects, prefixes)


def names(folder: str) -> list[str]:
    """Names of the objects and folders in a folder, sorted."""
    inside = f"{folder.rstrip('/')}/"
    found = [
        name
        for page in pages(inside, delimiter="/")
        for name in [*(item.name for item in page.objects), *page.prefixes]
    ]
    return _last_parts(found, folder=inside)


def folders(folder: str, *, prefix: str) -> list[str]:
    """Names of the folders in a folder that begin with `prefix`, sorted."""
    inside = f"{folder.rstrip('/')}/"
    found = [name for page in pages(inside + prefix, delimiter="/") for name in page.prefixes]
    return _last_parts(found, folder=inside)


def _last_parts(names: Sequence[str], *, folder: str) -> list[str]:
    skip = len(parse(folder).name)
    return sorted(filter(None, (name[skip:].rstrip("/") for name in names)))


def require_access(path: str) -> None:
    """Asks for an object, or lists a page of a folder, with less patience than a run has.

    Raises:
        OSError: as `transforms.storage.gcs_client.translated` says.
    """
    if find(path, patience_s=_PREFLIGHT_S) is None:
        next(pages(path, patience_s=_PREFLIGHT_S), None)


# ---- writing --------------------------------------------------------------------------------


def create(path: str) -> IO[bytes]:
    """Opens a new object for writing; it appears when the file is closed."""
    with translated(path):
        writer = blob(path).open(
            "wb",
            chunk_size=CHUNK_BYTES,
            # Parts have to be multiples of 256 KiB, so nothing can be sent in between.
            ignore_flush=True,
            retry=DEFAULT_RETRY.with_timeout(PATIENCE_S),
        )
    return cast("IO[bytes]", _Writer(path, writer))


def claim(path: str, content: bytes, *, version: str | None) -> bool:
    """Writes an object if its generation is still `version`, or if there is none for None.

    Returns:
        Whether it holds this content now: an answer that was lost is not a refusal.
    """
    with translated(path):
        try:
            blob(path).upload_from_string(
                content,
                # Generation 0 stands for: no such object.
                if_generation_match=int(version or 0),
                retry=_writing_retry(),
                timeout=WAIT,
            )
        except PreconditionFailed:
            pass
        else:
            return True
    try:
        return read_bytes(path) == content
    except (FileNotFoundError, ChangedError):  # whoever was first has ended, or writes again
        return False


class _Writer(io.RawIOBase):
    def __init__(self, uri: str, writer: Any) -> None:
        self._uri = uri
        self._writer = writer

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        with translated(self._uri):
            self._writer.write(data)
        return len(data)

    def close(self) -> None:
        if not self.closed:
            with translated(self._uri):
                self._writer.close()
        super().close()

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if error is not None:
            with translated(self._uri):
                self._writer.terminate()  # else the half would appear
        super().__exit__(kind, error, trace)


def move(pairs: Sequence[tuple[str, str]]) -> None:
    """Renames objects; one that stood there is replaced."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(_move, *zip(*pairs, strict=True)))


def _move(source: str, target: str) -> None:
    with translated(source):
        moved, token = blob(source), None
        while True:  # a large object is copied in several requests
            token, _, _ = blob(target).rewrite(moved, token=token, retry=_writing_retry())
            if token is None:
                break
    _delete(source)


def delete(paths: Sequence[str]) -> None:
    """Deletes objects; those that are gone already do not matter."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(_delete, paths))


def _delete(path: str) -> None:
    with translated(path), contextlib.suppress(NotFound):
        blob(path).delete(retry=_writing_retry(), timeout=WAIT)


def delete_version(path: str, *, version: str | None) -> None:
    """Deletes an object if its generation is still `version`."""
    with translated(path), contextlib.suppress(NotFound, PreconditionFailed):
        match = int(version or 0)
        blob(path).delete(if_generation_match=match, retry=_writing_retry(), timeout=WAIT)


def delete_tree(folder: str) -> None:
    """Deletes every object of a folder."""
    prefix = f"{folder.rstrip('/')}/"
    bucket = parse(prefix).bucket
    for page in pages(prefix):
        delete([f"gs://{bucket}/{item.name}" for item in page.objects])


def replace_tree(new: str, old: str) -> None:
    """Deletes the objects of one folder and moves those of another into it."""
    delete_tree(old)
    bucket, prefix = parse(f"{new.rstrip('/')}/")
    found = [item.name for page in pages(f"gs://{bucket}/{prefix}") for item in page.objects]
    pairs = [(f"gs://{bucket}/{name}", f"{old}/{name[len(prefix) :]}") for name in found]
    if pairs:
        move(pairs)


def _writing_retry() -> Any:
    """Copying and deleting twice does no harm."""
    return DEFAULT_RETRY.with_timeout(PATIENCE_S)
