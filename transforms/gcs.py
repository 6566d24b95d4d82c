"""Objects in Cloud Storage, with the functions that `transforms.storage` describes."""

from __future__ import annotations

import base64
import contextlib
import errno
import io
import re
import time
import urllib.parse
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import IO, Any, NamedTuple, TypeVar, cast

import google_crc32c
import urllib3
from google.api_core.exceptions import NotFound, PreconditionFailed, RetryError
from google.api_core.retry import Retry, if_exception_type
from google.cloud.storage.retry import DEFAULT_RETRY

from transforms.content import Content, Reserve, require_at_most
from transforms.gcs_client import PATIENCE_S, connection, parse, status_error, translated

_CONNECT_S = 5.0
_STALL_S = 20.0
_WAIT = (_CONNECT_S, _STALL_S)
_CHUNK_BYTES = 8 << 20
"""What a stream reads and writes at a time; a multiple of 256 KiB, as uploads must have it."""

_PREFLIGHT_S = 10.0
"""How long a run waits for its storage before it starts: a typing error should not cost minutes."""

_AT_ONCE = 16
"""Objects moved or deleted at a time."""

_MAX_WORDS = 2048

_T = TypeVar("_T")


class Object(NamedTuple):
    """An object as a listing knows it: its name in the bucket, its bytes, its generation."""

    name: str
    size: int
    version: str


# ---- reading --------------------------------------------------------------------------------


def read(
    path: str,
    *,
    max_bytes: int,
    reserve: Reserve = lambda _: None,
    patience_s: float = PATIENCE_S,
) -> Content:
    """The whole object. What may pass (429, 5xx, resets, timeouts) is tried again, with back-off.

    Args:
        path: gs://BUCKET/OBJECT.
        max_bytes: larger objects are refused, before they are read.
        reserve: called with the size before the body of each attempt is read; may block.
        patience_s: from the first attempt to the last error.

    Raises:
        OSError: as `transforms.gcs_client.translated` says; EFBIG for an object that is too large.
        UserError: there are no credentials.
    """
    deadline = time.monotonic() + patience_s

    def attempt() -> Content:
        with translated(path), _get(_media_path(path), path, deadline=deadline) as response:
            length = response.headers.get("Content-Length")
            size = max_bytes if length is None else int(length)
            require_at_most(max_bytes, size, path)
            reserve(size)
            data = _body(response, path, max_bytes=max_bytes, deadline=deadline)
        _require_intact(data, response.headers, path)
        if response.headers.get("Content-Encoding") == "gzip":
            data = _unzipped(data, path, max_bytes=max_bytes)
        return Content(data, response.headers.get("X-Goog-Generation"))

    return _retried(attempt, patience_s)


_RETRY = Retry(if_exception_type(ConnectionError, TimeoutError), initial=0.5, maximum=10.0)


def _retried(attempt: Callable[[], _T], patience_s: float) -> _T:
    try:
        return _RETRY.with_timeout(patience_s)(attempt)()
    except RetryError as error:
        raise error.cause from None


def _media_path(uri: str) -> str:
    bucket, name = parse(uri)
    quoted = urllib.parse.quote(name, safe="")
    return f"/download/storage/v1/b/{bucket}/o/{quoted}?alt=media"


def _get(path: str, uri: str, *, deadline: float, **headers: str) -> Any:
    """An answer whose body has not been read yet; leaving it closes what is unread.

    Raises:
        OSError: the answer is no success.
    """
    left_s = max(deadline - time.monotonic(), 0.1)
    response = connection().reader.get(
        path,
        # gzip: as it is stored, so that length and checksum are those of what arrives.
        headers={"Accept-Encoding": "gzip", **headers},
        timeout=urllib3.Timeout(connect=min(_CONNECT_S, left_s), read=min(_STALL_S, left_s)),
    )
    if response.status in (200, 206):
        return response
    with response:
        words = response.read(_MAX_WORDS).decode("utf-8", "replace")
    raise status_error(response.status, uri, words)


def _body(response: Any, uri: str, *, max_bytes: int, deadline: float) -> bytes:
    chunks, size = [], 0
    while chunk := response.read1(_CHUNK_BYTES):
        chunks.append(chunk)
        size += len(chunk)
        require_at_most(max_bytes, size, uri)
        if time.monotonic() > deadline:
            raise TimeoutError(errno.ETIMEDOUT, "the object arrived too slowly", uri)
    return b"".join(chunks)


def _require_intact(data: bytes, headers: Any, uri: str) -> None:
    expected = re.search("crc32c=([A-Za-z0-9+/=]+)", headers.get("X-Goog-Hash", ""))
    if expected and base64.b64decode(expected[1]) != google_crc32c.value(data).to_bytes(4, "big"):
        raise ConnectionError(errno.EIO, "the object arrived damaged", uri)


def _unzipped(data: bytes, uri: str, *, max_bytes: int) -> bytes:
    """The content of an object that is stored with `Content-Encoding: gzip`."""
    try:
        content = zlib.decompressobj(wbits=31).decompress(data, max_bytes + 1)
    except zlib.error:
        raise OSError(errno.EIO, "stored as gzip, but it is not", uri) from None
    require_at_most(max_bytes, len(content), uri)
    return content


def open_read(path: str) -> IO[bytes]:
    """Opens one generation of an object as a seekable stream that reads 8 MiB at a time."""
    return open_versioned(path)[0]


def open_versioned(path: str) -> tuple[IO[bytes], str | None]:
    """As `open_read`, with the generation."""
    with translated(path):
        blob = _described(path, PATIENCE_S)
    media = f"{_media_path(path)}&generation={blob.generation}"
    stream = _Stream(_Reader(path, media, int(blob.size)), _CHUNK_BYTES)
    return stream, str(blob.generation)


class _Stream(io.BufferedReader):
    def read1(self, size: int = -1) -> bytes:
        """What the buffer holds, at most `size` bytes. Text is read like this, 8 KB at a time."""
        self.peek(1)  # fills an empty buffer; the inherited method would request 8 KB for itself
        return super().read1(size)


class _Reader(io.RawIOBase):
    def __init__(self, uri: str, media: str, size: int) -> None:
        self._uri = uri
        self._media = media
        self._size = size
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + (0, self._at, self._size)[whence]
        return self._at

    def readinto(self, buffer: Any) -> int:
        wanted = min(len(buffer), self._size - self._at)
        if wanted <= 0:
            return 0
        data = self._range(self._at, wanted)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def readall(self) -> bytes:
        """The inherited one would ask for a few kilobytes at a time."""
        chunks = []
        while chunk := self.read(_CHUNK_BYTES):
            chunks.append(chunk)
        return b"".join(chunks)

    def _range(self, start: int, length: int) -> bytes:
        deadline = time.monotonic() + PATIENCE_S
        span = f"bytes={start}-{start + length - 1}"

        def attempt() -> bytes:
            with (
                translated(self._uri),
                _get(self._media, self._uri, deadline=deadline, Range=span) as response,
            ):
                return _body(response, self._uri, max_bytes=length, deadline=deadline)

        return _retried(attempt, PATIENCE_S)


def read_bytes(path: str) -> bytes:
    """Reads a whole object."""
    with open_read(path) as file:
        return file.read()


# ---- listing --------------------------------------------------------------------------------


def find(uri: str, *, patience_s: float = PATIENCE_S) -> Object | None:
    """The object of this name, or None; a bucket that does not exist has none either."""
    _, name = parse(uri)
    if not name:
        return None
    try:
        with translated(uri):
            blob = _described(uri, patience_s)
    except FileNotFoundError:
        return None
    return Object(name, int(blob.size), str(blob.generation))


def exists(path: str) -> bool:
    """Whether an object is there."""
    return find(path) is not None


def changed(path: str) -> float | None:
    """When the generation that is there now was made."""
    try:
        with translated(path):
            created = _described(path, PATIENCE_S).time_created
    except FileNotFoundError:
        return None
    return cast("float", created.timestamp())


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
    patience_s: float = PATIENCE_S,
) -> Iterator[Page]:
    """Lists the objects whose names begin as `uri` does, a page of 1,000 at a time.

    Args:
        uri: gs://BUCKET/PREFIX.
        delimiter: what ends a prefix, or None for all levels at once.
        start: the first name to list.
        end: the first name to list no more.
        patience_s: for each page.

    Raises:
        OSError: as `transforms.gcs_client.translated` says.
    """
    bucket, prefix = parse(uri)
    with translated(uri):
        listing = connection().client.list_blobs(
            bucket,
            prefix=prefix or None,
            delimiter=delimiter,
            start_offset=start,
            end_offset=end,
            fields="items(name,size,generation),prefixes,nextPageToken",
            retry=DEFAULT_RETRY.with_timeout(patience_s),
            timeout=_WAIT,
        )
        answers = iter(listing.pages)
    while True:
        with translated(uri):
            page = next(answers, None)
        if page is None:
            return
        objects = [Object(blob.name, int(blob.size), str(blob.generation)) for blob in page]
        yield Page(objects, list(page.prefixes))


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
        OSError: as `transforms.gcs_client.translated` says.
    """
    if find(path, patience_s=_PREFLIGHT_S) is None:
        next(pages(path, patience_s=_PREFLIGHT_S), None)


# ---- writing --------------------------------------------------------------------------------


def create(path: str) -> IO[bytes]:
    """Opens a new object for writing; it appears when the file is closed."""
    with translated(path):
        writer = _blob(path).open(
            "wb",
            chunk_size=_CHUNK_BYTES,
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
            _blob(path).upload_from_string(
                content,
                if_generation_match=int(version or 0),
                retry=_writing_retry(),
                timeout=_WAIT,
            )
        except PreconditionFailed:
            pass
        else:
            return True
    try:
        return read_bytes(path) == content
    except FileNotFoundError:  # whoever was first has ended
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
        blob, token = _blob(source), None
        while True:  # a large object is copied in several requests
            token, _, _ = _blob(target).rewrite(blob, token=token, retry=_writing_retry())
            if token is None:
                break
    _delete(source)


def delete(paths: Sequence[str]) -> None:
    """Deletes objects; those that are gone already do not matter."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(_delete, paths))


def _delete(path: str) -> None:
    with translated(path), contextlib.suppress(NotFound):
        _blob(path).delete(retry=_writing_retry(), timeout=_WAIT)


def delete_tree(folder: str) -> None:
    """Deletes every object of a folder."""
    prefix = f"{folder.rstrip('/')}/"
    bucket = parse(prefix).bucket
    for page in pages(prefix):
        delete([f"gs://{bucket}/{item.name}" for item in page.objects])


def _writing_retry() -> Any:
    """Copying and deleting twice does no harm."""
    return DEFAULT_RETRY.with_timeout(PATIENCE_S)


def _blob(uri: str) -> Any:
    bucket, name = parse(uri)
    return connection().client.bucket(bucket).blob(name)


def _described(uri: str, patience_s: float) -> Any:
    blob = _blob(uri)
    blob.reload(retry=DEFAULT_RETRY.with_timeout(patience_s), timeout=_WAIT)
    return blob
