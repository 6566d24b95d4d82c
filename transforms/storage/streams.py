"""Seekable streams over storage that gives any span of a file's bytes, a request for each."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import IO, Any

Span = Callable[[int, int], bytes]
"""The bytes from a position on, as many as are asked for; all of them are there."""


def stream(span: Span, size: int, *, chunk: int) -> IO[bytes]:
    """A file open for reading.

    Args:
        span: reads it.
        size: bytes of the file.
        chunk: bytes to read at a time, and to hold.
    """
    return Buffered(_Spans(span, size, chunk), chunk)


class Buffered(io.BufferedReader):
    """A buffer that is filled as a whole, whoever reads from it."""

    def read1(self, size: int = -1) -> bytes:
        """What the buffer holds, at most `size` bytes. Text is read like this, 8 KB at a time."""
        self.peek(1)  # fills an empty buffer; the inherited method would request 8 KB for itself
        return super().read1(size)


class _Spans(io.RawIOBase):
    def __init__(self, span: Span, size: int, chunk: int) -> None:
        self._span = span
        self._size = size
        self._chunk = chunk
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
        data = self._span(self._at, wanted)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def readall(self) -> bytes:
        """The inherited one would ask for a few kilobytes at a time."""
        chunks = []
        while chunk := self.read(self._chunk):
            chunks.append(chunk)
        return b"".join(chunks)
