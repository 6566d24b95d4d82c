"""Objects that their storage calls encoded by gzip, as `gcloud storage cp --gzip-local` makes them.

What they are for their readers is what was put into them.
"""

from __future__ import annotations

import errno
import gzip
import io
import tempfile
import zlib
from typing import IO, Any, cast

from transforms.storage.content import require_at_most
from transforms.storage.streams import Buffered

MOST_UNPACKED = 64 * 1024**3
"""Bytes that a file for random access may unpack to, on this machine's disk."""

_MARK = b"\x1f\x8b"
_CHUNK = 1024 * 1024
_DAMAGE = (EOFError, zlib.error, gzip.BadGzipFile)


def unzipped(data: bytes, path: str, *, max_bytes: int) -> bytes:
    """The content of a whole object.

    Some programs say that it is gzip and do not pack it: then it is as it is.

    Raises:
        OSError: its gzip data are damaged (EBADMSG), or unpack to more than `max_bytes` (EFBIG).
    """
    try:
        content, _ = gunzipped(data, most=max_bytes + 1)
    except zlib.error:
        raise _damaged(path) from None
    require_at_most(max_bytes, len(content), path)
    return content


def gunzipped(data: bytes, *, most: int) -> tuple[bytes, bool]:
    """What gzip data hold, `most` bytes of it, and whether they come to their end.

    They may be several members, as of `bgzip`. What does not begin as gzip does is handed back.

    Raises:
        zlib.error: they are damaged.
    """
    if not data.startswith(_MARK):
        return data, True
    parts: list[bytes] = []
    while data.startswith(_MARK) and most > 0:
        decoder = zlib.decompressobj(wbits=31)
        parts.append(decoder.decompress(data, most))
        most -= len(parts[-1])
        data = decoder.unused_data
    return b"".join(parts), decoder.eof


def unzipped_stream(file: IO[bytes], path: str) -> IO[bytes]:
    """The content of an object that is open, at its start; seekable. What is no gzip is as it is.

    It is unpacked while it is read. Whoever asks for its end, as readers of Parquet and zip do,
    will jump about in it: then all of it is unpacked to a temporary file first.
    """
    is_packed = file.read(len(_MARK)) == _MARK
    file.seek(0)
    return Buffered(_Reader(file, path), _CHUNK) if is_packed else file


def _damaged(path: str) -> OSError:
    return OSError(errno.EBADMSG, "stored as gzip, and that is damaged", path)


class _Reader(io.RawIOBase):
    def __init__(self, packed: IO[bytes], path: str) -> None:
        self._packed = packed
        self._path = path
        self._file = cast("IO[bytes]", gzip.GzipFile(fileobj=packed))
        self._on_disk = False

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            data = self._file.read(len(buffer))
        except _DAMAGE:
            raise _damaged(self._path) from None
        buffer[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence == io.SEEK_END and not self._on_disk:
            self._unpack()
        try:
            return self._file.seek(offset, whence)
        except _DAMAGE:
            raise _damaged(self._path) from None

    def tell(self) -> int:
        return self._file.tell()

    def _unpack(self) -> None:
        unpacked = tempfile.TemporaryFile(prefix="quantlabel-")  # noqa: SIM115  # kept open
        self._file.seek(0)
        size = 0
        try:
            while chunk := self._file.read(_CHUNK):
                size += len(chunk)
                require_at_most(MOST_UNPACKED, size, self._path)
                unpacked.write(chunk)
        except _DAMAGE:
            unpacked.close()
            raise _damaged(self._path) from None
        except OSError:
            unpacked.close()
            raise
        self._file, self._on_disk = cast("IO[bytes]", unpacked), True

    def close(self) -> None:
        if not self.closed:
            self._file.close()
            self._packed.close()
        super().close()
