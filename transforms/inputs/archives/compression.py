"""Compressed archives as streams: which codec, by the first bytes, and what is in them."""

from __future__ import annotations

import bz2
import copy
import gzip
import io
import lzma
import zlib
from collections.abc import Callable
from typing import IO, Any, cast

from transforms.failures import ImageError, Reason
from transforms.inputs.archives.base import damaged

_READ_BYTES = 64 * 1024
# Of a decoder of xz, which the file itself asks for; `xz -9` asks for 65 MB.
_XZ_MEMORY = 256 * 1024 * 1024

_MODEST = 1024**3
"""Bytes that whatever is packed may be, since they are soon walked through."""

_MOST_RATIO = 1_100
"""Beyond that: bytes that one may stand for. Deflate comes to 1,032. Of bzip2 and xz a megabyte can
be a terabyte of zeros, and to walk through that takes hours."""

# The field `magic` of a header of tar, POSIX.1-1988.
_TAR_MARK_AT = 257
_MARKS = {
    "gzip": (b"\x1f\x8b\x08",),
    "bzip2": tuple(b"BZh%d1AY&SY" % size for size in range(1, 10)),
    "xz": (b"\xfd7zXZ\0",),
    "zstd": (b"\x28\xb5\x2f\xfd", *(b"%c\x2a\x4d\x18" % kind for kind in range(0x50, 0x60))),
}

# Of what is known and not read.
_UNREAD_MARKS = {
    "7-Zip": b"7z\xbc\xaf\x27\x1c",
    "RAR": b"Rar!\x1a\x07",
    "compress": b"\x1f\x9d",
    "lz4": b"\x04\x22\x4d\x18",
    "lzip": b"LZIP\x01",
    "LZMA": b"\x5d\0\0\x80\0",
}

HEAD_BYTES = 512
"""Of a file, to tell what it is."""


def head_of(file: IO[bytes], *, only: bool = False) -> bytes:
    """The first bytes of a file, which is at its start again afterwards.

    Args:
        file: at its start; nothing of it has been read.
        only: whether what follows is read from elsewhere, so that no buffer is to be filled: that
            of a file in a bucket holds 8 MiB.

    Raises:
        ImageError: storage failed.
    """
    source = file.raw if only and isinstance(file, io.BufferedReader) else file
    try:
        head = source.read(HEAD_BYTES) or b""
        source.seek(0)
    except OSError as error:
        raise ImageError(Reason.from_os_error(error), error.strerror or str(error)) from error
    return head


def is_tar(head: bytes) -> bool:
    """Whether a file begins as tar archives do, by its first `HEAD_BYTES`."""
    return head.startswith(b"ustar", _TAR_MARK_AT)


def codec_of(head: bytes) -> str | None:
    """What a file is compressed with, by its first `HEAD_BYTES`; None for none that is known."""
    if is_tar(head):  # the name of its first member may be anything
        return None
    return next((codec for codec, marks in _MARKS.items() if head.startswith(marks)), None)


def require_read(head: bytes) -> None:
    """Refuses what is packed in a way that is known and not read, by its first `HEAD_BYTES`.

    Raises:
        ImageError: unsupported_format.
    """
    found = next((name for name, mark in _UNREAD_MARKS.items() if head.startswith(mark)), None)
    if found is None and _is_zlib(head):
        found = "zlib"
    if found is not None:
        text = f"packed by {found}, which is not read; pack it with gzip, or not at all"
        raise ImageError(Reason.UNSUPPORTED_FORMAT, text)


def _is_zlib(head: bytes) -> bool:
    """Whether these are zlib's data, as TensorFlow can write records; its mark alone is short."""
    if head[:1] != b"\x78":
        return False
    try:
        return bool(zlib.decompressobj().decompress(head, HEAD_BYTES))
    except zlib.error:
        return False


class ArchiveStream:
    """A file that is read once from its start, unpacked on the way if need be.

    Whatever can be read before a break is handed out before the break is reported.

    Args:
        file: at its start; stays the caller's.
        codec: as `codec_of` says.
    """

    def __init__(self, file: IO[bytes], *, codec: str | None) -> None:
        self._file = file
        self._read_some = _READERS[codec](file) if codec else file.read
        self._is_packed = codec is not None
        self._broken: ImageError | None = None
        self.position = 0

    def read(self, size: int) -> bytes:
        """The next `size` bytes, fewer at the end or before a break.

        Raises:
            ImageError: storage failed, or the compressed data are damaged.
        """
        parts: list[bytes] = []
        missing = size
        while missing and (part := self._part(missing)):
            parts.append(part)
            missing -= len(part)
        if missing and not parts and self._broken is not None:
            # A copy: it leads to this stream by its traceback, which would lead back to it.
            raise copy.copy(self._broken)
        self.position += size - missing
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _part(self, size: int) -> bytes:
        """Some bytes; none at the end and where the file is broken."""
        if self._is_packed and self.position > _MODEST:
            self._require_modest()
        if self._broken is None:
            try:
                return self._read_some(size)
            except (EOFError, zlib.error, gzip.BadGzipFile, lzma.LZMAError) as error:
                self._broken = damaged(f"the compressed data are damaged: {error}")
            except OSError as error:
                self._broken = self._explained(error)
        return b""

    def _require_modest(self) -> None:
        if self.position > _MOST_RATIO * self._file.tell():
            self._broken = damaged(f"it unpacks to more than {_MOST_RATIO:,} times its size")

    def _explained(self, error: OSError) -> ImageError:
        if self._is_packed and error.errno is None:  # of bz2 and of Arrow, not of a storage
            return damaged(f"the compressed data are damaged: {error}")
        return ImageError(Reason.from_os_error(error), error.strerror or str(error))


class _Streams:
    """Compressed streams, one after the other, as the tools for bzip2 and xz join them."""

    def __init__(self, file: IO[bytes], new: Callable[[], Any]) -> None:
        self._file = file
        self._new = new
        self._decoder = new()

    def read(self, size: int) -> bytes:
        """At most `size` bytes, none at the end."""
        while True:
            packed = b""
            if self._decoder.eof:
                packed = self._next_stream()
                if not packed:
                    return b""
                self._decoder = self._new()
            elif self._decoder.needs_input:
                packed = self._file.read(_READ_BYTES)
                if not packed:
                    raise EOFError("they end before the mark that ends them")
            if data := cast("bytes", self._decoder.decompress(packed, size)):
                return data

    def _next_stream(self) -> bytes:
        """The beginning of what follows a stream; zeros may stand between two."""
        rest = self._decoder.unused_data.lstrip(b"\0")
        while not rest and (packed := self._file.read(_READ_BYTES)):
            rest = packed.lstrip(b"\0")
        return cast("bytes", rest)


def _xz() -> lzma.LZMADecompressor:
    return lzma.LZMADecompressor(memlimit=_XZ_MEMORY)


def _zstd(file: IO[bytes]) -> Callable[[int], bytes]:
    import pyarrow as pa

    stream = pa.CompressedInputStream(pa.PythonFile(file, mode="r"), "zstd")

    def read(size: int) -> bytes:
        # `read` of pyarrow 25 never frees what it has made room for where the data are damaged.
        return cast("bytes", stream.read_buffer(size).to_pybytes())

    return read


_READERS: dict[str, Callable[[IO[bytes]], Callable[[int], bytes]]] = {
    "gzip": lambda file: gzip.GzipFile(fileobj=file).read1,
    "bzip2": lambda file: _Streams(file, bz2.BZ2Decompressor).read,
    "xz": lambda file: _Streams(file, _xz).read,
    "zstd": _zstd,
}
