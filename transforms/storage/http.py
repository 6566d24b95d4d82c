"""Files at http(s) addresses, with the functions that `transforms.storage.files` describes.

They are only read: a web server has no folders to list, and takes no files.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import io
import re
import urllib.parse
import zlib
from collections.abc import Iterator
from typing import IO, Any, NamedTuple, NoReturn

from transforms.errors import UserError
from transforms.outage import Try
from transforms.storage.content import ChangedError, Content, Reserve, require_at_most
from transforms.storage.http_client import answer, attempts, date, parse
from transforms.storage.streams import stream
from transforms.storage.unzipped import gunzipped

_CHUNK_BYTES = 8 << 20
"""What a stream reads at a time."""

_READ_BYTES = 1 << 16

_FIRST_BYTES = 1 << 20
"""That an answer is taken to have which does not say how many it has, until it has more. All that
it may have would keep every other picture waiting for it."""

_MAX_WHOLE_BYTES = 64 << 20
"""Of a list or an archive that the server gives as a whole only: it is held in memory."""


def require_access(path: str) -> None:
    """Asks for the address.

    Raises:
        OSError: it cannot be had.
        UserError: it is one of a folder, or a pattern.
    """
    if parse(path).target.partition("?")[0].endswith("/") or "*" in path:
        raise UserError(
            f"{_host(path)}: a web server lists no folders. Expected the address of a picture, an "
            "archive or an input list."
        )
    _look(path)


def _host(path: str) -> str:
    return f"{urllib.parse.urlsplit(path).scheme}://{parse(path).authority}"


def read(path: str, *, max_bytes: int, reserve: Reserve) -> Content:
    """A whole picture. What may pass (429, 5xx, resets, timeouts) is tried again, with back-off."""

    def attempt(each: Try) -> Content:
        with answer(path, each) as response:
            if response.status == 206:
                raise ConnectionError(errno.EIO, "a part, where the whole was asked for", path)
            data = _body(response, path, max_bytes=max_bytes, reserve=reserve, each=each)
            return Content(_plain(data, response, path, max_bytes), _version(response))

    return attempts(path, attempt)


def _body(response: Any, path: str, *, max_bytes: int, reserve: Reserve, each: Try) -> bytes:
    """All that there is, once there is room for it."""
    length = _length(response, path)
    require_at_most(max_bytes, length or 0, path)
    room = min(_FIRST_BYTES, max_bytes) if length is None else length
    with each.paused():
        reserve(room)
    chunks, size = [], 0
    for chunk in _chunks(response, path, max_bytes=max_bytes, each=each):
        chunks.append(chunk)
        size += len(chunk)
        if size > room:  # it has not said its length
            room = max_bytes
            with each.paused():
                reserve(room)
    return b"".join(chunks)


def _chunks(response: Any, path: str, *, max_bytes: int, each: Try) -> Iterator[bytes]:
    size = 0
    while chunk := response.read1(_READ_BYTES):
        size += len(chunk)
        require_at_most(max_bytes, size, path)
        if each.is_over:
            raise TimeoutError(errno.ETIMEDOUT, "the answer came too slowly", path)
        yield chunk


def _length(response: Any, path: str) -> int | None:
    """What the header says; None without one."""
    header = response.headers.get("Content-Length")
    if header is None:
        return None
    lengths = {each.strip() for each in header.split(",")}
    (length, *others) = lengths
    if others or not re.fullmatch("[0-9]{1,18}", length):
        raise ConnectionError(errno.EIO, f"the answer has a length of {header[:20]!r}", path)
    return int(length)


_ENCODINGS = frozenset(
    [
        *("gzip", "x-gzip", "pack200-gzip", "compress", "x-compress", "deflate"),
        *("br", "zstd", "dcb", "dcz", "exi", "aes128gcm"),
    ]
)
"""All that there are: https://www.iana.org/assignments/http-parameters. Another word in this header
is a mistake, such as a charset, and says nothing of the bytes; browsers pass over it as well."""


def _encoding(response: Any) -> str:
    said = str(response.headers.get("Content-Encoding") or "").lower().split(",")
    return ", ".join(each.strip() for each in said if each.strip() in _ENCODINGS) or "identity"


def _plain(data: bytes, response: Any, path: str, max_bytes: int) -> bytes:
    """The content of an answer that is compressed although nobody has asked for that.

    What only says that it is compressed is as it is.
    """
    encoding = _encoding(response)
    if encoding == "identity":
        return data
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise OSError(errno.EIO, f"the answer has the encoding {encoding[:20]!r}", path)
    unpack = _inflated if encoding == "deflate" else gunzipped
    try:
        content, is_whole = unpack(data, most=max_bytes + 1)
    except zlib.error:
        raise OSError(errno.EBADMSG, f"the answer is damaged {encoding}", path) from None
    require_at_most(max_bytes, len(content), path)
    if not is_whole:
        raise ConnectionError(errno.EIO, "the answer is cut off", path)
    return content


def _inflated(data: bytes, *, most: int) -> tuple[bytes, bool]:
    """As `gunzipped`, of `deflate`: with the header of zlib or, against the standard, without."""
    for wbits in (15, -15):
        decoder = zlib.decompressobj(wbits)
        with contextlib.suppress(zlib.error):
            return decoder.decompress(data, most), decoder.eof
    return data, True


def _version(response: Any) -> str | None:
    """What tells one content of an address from another: RFC 9110, 8.8. A weak ETag comes last."""
    etag = response.headers.get("ETag")
    if etag and not etag.startswith("W/"):
        return str(etag).strip('"')
    return response.headers.get("Last-Modified") or etag or None


class _Found(NamedTuple):
    """What an address holds.

    Attributes:
        size: in bytes, None if the server does not say.
        version: as in `ImageRef`.
        modified: the header `Last-Modified`, or None.
        in_parts: whether the server gives parts of it.
    """

    size: int | None
    version: str | None
    modified: str | None
    in_parts: bool = False


def _look(path: str) -> _Found:
    """Asks for the first byte: not all servers know HEAD, and those that do may not tell parts."""

    def attempt(each: Try) -> _Found:
        with answer(path, each, accept=(416,), Range="bytes=0-0") as response:
            size = _length(response, path)
            modified, encoding = response.headers.get("Last-Modified"), _encoding(response)
            if response.status == 206 and encoding == "identity":
                total = re.fullmatch(
                    r"bytes 0-0/([0-9]{1,18})", response.headers.get("Content-Range") or ""
                )
                if total is None:
                    raise ConnectionError(errno.EIO, "the answer is another part", path)
                return _Found(int(total[1]), _version(response), modified, in_parts=True)
            if response.status == 416:  # there is no first byte
                size = 0
            elif encoding != "identity":
                size = None
            return _Found(size, _version(response), modified)

    return attempts(path, attempt)


def find(path: str) -> tuple[int, str] | None:
    """Bytes and version of what is at an address; None if nothing is.

    Raises:
        OSError: the server cannot be asked, or does not tell them.
    """
    try:
        found = _look(path)
    except FileNotFoundError:
        return None
    if found.size is None or found.version is None:
        raise OSError(errno.EIO, "the server tells no size or no version", path)
    return found.size, found.version


def exists(path: str) -> bool:
    """Whether something is there."""
    try:
        _look(path)
    except FileNotFoundError:
        return False
    return True


def changed(path: str) -> float | None:
    """When it was changed, where the server tells."""
    with contextlib.suppress(FileNotFoundError):
        modified = date(_look(path).modified)
        return None if modified is None else modified.timestamp()
    return None


def open_versioned(path: str) -> tuple[IO[bytes], str | None]:
    """Opens one version as a seekable stream that reads 8 MiB at a time.

    What the server gives only as a whole is held in memory, up to 64 MiB.
    """
    found = _look(path)
    if found.in_parts and found.size is not None and found.version is not None:
        span = functools.partial(_read_span, path, found.version)
        return stream(span, found.size, chunk=_CHUNK_BYTES), found.version
    whole = read(path, max_bytes=_MAX_WHOLE_BYTES, reserve=lambda _: None)
    return io.BytesIO(whole.data), whole.version


def open_read(path: str) -> IO[bytes]:
    """As `open_versioned`."""
    return open_versioned(path)[0]


def read_bytes(path: str) -> bytes:
    """The whole content."""
    with open_read(path) as file:
        return file.read()


def _read_span(path: str, version: str, start: int, length: int) -> bytes:
    span = f"{start}-{start + length - 1}"

    def attempt(each: Try) -> bytes:
        with answer(path, each, Range=f"bytes={span}") as response:
            if _version(response) != version or response.status != 206:
                raise ChangedError(path)
            if not (response.headers.get("Content-Range") or "").startswith(f"bytes {span}/"):
                raise ConnectionError(errno.EIO, "the answer is another part", path)
            data = b"".join(_chunks(response, path, max_bytes=length, each=each))
        if len(data) != length:
            raise ConnectionError(errno.EIO, "the answer is cut off", path)
        return data

    try:
        return attempts(path, attempt)
    except FileNotFoundError:  # it was there when the stream was opened
        raise ChangedError(path) from None


def names(folder: str) -> list[str]:  # noqa: ARG001
    """None: a web server lists no folders."""
    return []


def folders(folder: str, *, prefix: str) -> list[str]:  # noqa: ARG001
    """None: a web server lists no folders."""
    return []


def _refuse(path: Any, *_: Any) -> NoReturn:
    """Nothing is written to a web server."""
    raise OSError(errno.EROFS, "nothing is written to http(s)://", path)


create = move = delete = delete_tree = replace_tree = _refuse
