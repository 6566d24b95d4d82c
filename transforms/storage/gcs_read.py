"""The bytes of objects in Cloud Storage: whole pictures, and streams of larger files."""

from __future__ import annotations

import base64
import contextlib
import errno
import functools
import re
import urllib.parse
from collections.abc import Iterator
from typing import IO, Any

import google_crc32c
import urllib3

from transforms.outage import Try, attempts
from transforms.storage.content import ChangedError, Content, Reserve, require_at_most
from transforms.storage.gcs_client import (
    CHUNK_BYTES,
    CONNECT_S,
    PATIENCE_S,
    STALL_S,
    connection,
    described,
    host,
    parse,
    status_error,
    translated,
)
from transforms.storage.streams import stream
from transforms.storage.unzipped import unzipped, unzipped_stream

_MAX_WORDS = 2048


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
        OSError: as `transforms.storage.gcs_client.translated` says; EFBIG for an object that is too
            large.
        UserError: there are no credentials.
    """

    def attempt(each: Try) -> Content:
        with _answer(_media_path(path), path, each) as response:
            length = response.headers.get("Content-Length")
            size = max_bytes if length is None else _number(length, path)
            require_at_most(max_bytes, size, path)
            with each.paused():
                reserve(size)
            data = _body(response, path, max_bytes=max_bytes, each=each)
            _require_intact(data, response.headers, path)
        if response.headers.get("Content-Encoding") == "gzip":
            data = unzipped(data, path, max_bytes=max_bytes)
        return Content(data, response.headers.get("X-Goog-Generation"))

    return attempts(path, attempt, patience_s=patience_s)


def _media_path(uri: str) -> str:
    bucket, name = parse(uri)
    if not name:
        raise FileNotFoundError(errno.ENOENT, "expected gs://BUCKET/OBJECT", uri)
    quoted = urllib.parse.quote(name, safe="")
    return f"/download/storage/v1/b/{bucket}/o/{quoted}?alt=media"


@contextlib.contextmanager
def _answer(path: str, uri: str, each: Try, **headers: str) -> Iterator[Any]:
    """An answer whose body has not been read yet; leaving it closes what is unread.

    Raises:
        OSError: the answer is no success.
    """
    with each.asking(host()), translated(uri):
        left_s = each.left_s
        response = connection().reader.get(
            path,
            # gzip: as it is stored, so that length and checksum are those of what arrives.
            headers={"Accept-Encoding": "gzip", **headers},
            timeout=urllib3.Timeout(connect=min(CONNECT_S, left_s), read=min(STALL_S, left_s)),
        )
        with response:
            if response.status not in (200, 206):
                words = response.read(_MAX_WORDS).decode("utf-8", "replace")
                raise status_error(response.status, uri, words)
            yield response


def _body(response: Any, uri: str, *, max_bytes: int, each: Try) -> bytes:
    chunks, size = [], 0
    while chunk := response.read1(CHUNK_BYTES):
        chunks.append(chunk)
        size += len(chunk)
        require_at_most(max_bytes, size, uri)
        if each.is_over:
            raise TimeoutError(errno.ETIMEDOUT, "the object arrived too slowly", uri)
    return b"".join(chunks)


def _number(header: str, uri: str) -> int:
    if not (header.isascii() and header.isdigit()):
        raise ConnectionError(errno.EIO, f"the answer has a length of {header[:20]!r}", uri)
    # No size has more digits.
    return int(header[:20])


def _decoded(base64_text: str, uri: str) -> bytes:
    try:
        return base64.b64decode(base64_text, validate=True)
    except ValueError:
        raise ConnectionError(errno.EIO, "the answer has a checksum that is none", uri) from None


def _require_intact(data: bytes, headers: Any, uri: str) -> None:
    expected = re.search("crc32c=([A-Za-z0-9+/=]+)", headers.get("X-Goog-Hash", ""))
    if expected and _decoded(expected[1], uri) != google_crc32c.value(data).to_bytes(4, "big"):
        raise ConnectionError(errno.EIO, "the object arrived damaged", uri)


def open_read(path: str) -> IO[bytes]:
    """Opens one generation of an object as a seekable stream that reads 8 MiB at a time."""
    return open_versioned(path)[0]


def open_versioned(path: str) -> tuple[IO[bytes], str | None]:
    """As `open_read`, with the generation."""
    found = described(path, PATIENCE_S)
    with translated(path):
        size, version = int(found.size), str(found.generation)
    media = f"{_media_path(path)}&generation={version}"
    file = stream(functools.partial(_read_span, path, media), size, chunk=CHUNK_BYTES)
    return unzipped_stream(file, path) if found.content_encoding == "gzip" else file, version


def _read_span(uri: str, media: str, start: int, length: int) -> bytes:
    span = f"bytes={start}-{start + length - 1}"

    def attempt(each: Try) -> bytes:
        with _answer(media, uri, each, Range=span) as response:
            return _body(response, uri, max_bytes=length, each=each)

    try:
        return attempts(uri, attempt, patience_s=PATIENCE_S)
    except FileNotFoundError:  # this generation was there when the stream was opened
        raise ChangedError(uri) from None


def read_bytes(path: str) -> bytes:
    """Reads a whole object."""
    with open_read(path) as file:
        return file.read()
