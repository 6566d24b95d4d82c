"""Holds the pages of Parquet to what the file can have, while Arrow reads them.

In front of each page stands its size, and Arrow takes and clears as much memory as is said there:
a damaged file of two kilobytes made it take three gigabytes. Layout: parquet.thrift, in the compact
protocol of Apache Thrift.
"""

from __future__ import annotations

import dataclasses
from typing import IO

_MODEST = 64 * 1024 * 1024
"""Bytes of a page that are taken on trust, since it is soon over."""

_MOST_RATIO = 1_100
"""Bytes that one of Deflate can stand for; other codecs reach more in small pages only."""

_MAX_HEADER = 16 * 1024 * 1024
"""Bytes; Arrow reads no more."""

# Types of the compact protocol.
_TRUE, _FALSE, _BYTE, _I16, _I32, _I64 = 1, 2, 3, 4, 5, 6
_DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT, _UUID = 7, 8, 9, 10, 11, 12, 13
_BYTES = {_DOUBLE: 8, _UUID: 16}

_UNCOMPRESSED_SIZE, _COMPRESSED_SIZE = 2, 3

_MAX_DEPTH, _MAX_VALUES = 64, 10_000
"""Of a header; those of today have some thirty values, two or three deep."""


@dataclasses.dataclass
class _Column:
    """A column of a row group, as far as it has been read.

    Attributes:
        header: where the next page begins; None behind what is no header.
        held: what has been read of its header.
    """

    header: int | None
    held: bytes = b""


class CheckedPages:
    """A file for Arrow to read from, in the way that it does: each column from front to back.

    Args:
        file: that can seek; stays the caller's.
    """

    closed = False

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._size = file.seek(0, 2)
        self._columns: dict[int, _Column] | None = None

    def watch(self) -> None:
        """Expects pages from now on: what is read first, and not behind another part, begins one.

        The footer is read by then. It says where columns are, but pyarrow ends the process when it
        is asked for those of a damaged one.
        """
        self._columns = {}

    def read(self, size: int = -1) -> bytes:
        """The next bytes.

        Raises:
            ValueError: a page in them claims more than its column has, or its header has no end.
        """
        at = self._file.tell()
        data = self._file.read(size)
        if self._columns is not None and data:
            column = self._columns.pop(at, None) or _Column(at)
            _look(column, at, data, end=self._size)
            self._columns[at + len(data)] = column
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        """As files do."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """As files do."""
        return self._file.tell()

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def close(self) -> None:
        """Does nothing: the file is the caller's."""


def _look(column: _Column, at: int, data: bytes, *, end: int) -> None:
    """Checks the headers in bytes that stand at a place of a file that has an end."""
    content, start = column.held + data, at - len(column.held)
    column.held = b""
    while column.header is not None and column.header < start + len(content):
        header = _Header(content, column.header - start)
        try:
            header.read()
        except IndexError:  # the rest of it comes with the next bytes
            column.held = content[column.header - start :]
            if len(column.held) > _MAX_HEADER:
                raise ValueError("a page header without an end") from None
            return
        except _NoHeaderError:  # Arrow says so itself, or has no use for these bytes
            column.header = None
            return
        column.header += header.length
        packed, left = header.packed, end - column.header
        if not 0 <= packed <= max(left, _MODEST):
            raise ValueError(f"a page claims {packed} bytes of a file with {left} more")
        if header.unpacked > max(packed * _MOST_RATIO, _MODEST):
            raise ValueError(f"a page of {packed} bytes claims {header.unpacked} in memory")
        column.header += packed


class _NoHeaderError(Exception):
    """Bytes that are nothing in the compact protocol."""


class _Header:
    """A page header in the compact protocol, as far as it is of interest.

    Attributes:
        length: of it in bytes.
        packed: bytes of the page as stored.
        unpacked: bytes of it in memory.
    """

    def __init__(self, content: bytes, start: int) -> None:
        self._content, self._at, self._start = content, start, start
        self.length = self.packed = self.unpacked = 0
        self._values = 0

    def read(self) -> None:
        """Reads it. What it has beyond the sizes is passed over, as Arrow does.

        Raises:
            IndexError: the content ends within it.
            ValueError: it has too many values.
            _NoHeaderError: it is none.
        """
        for field, kind, number in self._fields(0):
            if kind == _I32 and field == _UNCOMPRESSED_SIZE:
                self.unpacked = number
            elif kind == _I32 and field == _COMPRESSED_SIZE:
                self.packed = number
        self.length = self._at - self._start

    def _fields(self, depth: int) -> list[tuple[int, int, int]]:
        """Number and type of fields, and the integers in them, or 0."""
        found, field = [], 0
        while kind := (head := self._byte()) & 15:  # none ends it, whatever else the byte says
            field = field + (head >> 4) if head >> 4 else _i16(_signed(self._varint()))
            # Whether it is true stands in the type.
            value = 0 if kind in (_TRUE, _FALSE) else self._value(kind, depth)
            found.append((field, kind, value))
        return found

    def _value(self, kind: int, depth: int) -> int:
        self._values += 1
        if depth > _MAX_DEPTH or self._values > _MAX_VALUES:
            raise ValueError("a page header with too many values")
        if kind in (_TRUE, _FALSE, _BYTE):
            return self._byte()
        if kind in (_I16, _I32, _I64):
            return _signed(self._varint())
        if kind in _BYTES:
            return self._skip(_BYTES[kind])
        if kind == _BINARY:
            return self._skip(self._varint())
        if kind in (_LIST, _SET):
            head = self._byte()
            count = head >> 4 if head >> 4 < 15 else self._varint()
            return self._values_of((head & 15,), count, depth)
        if kind == _MAP:
            count = self._varint()
            kinds = self._byte() if count else 0
            return self._values_of((kinds >> 4, kinds & 15), count, depth)
        if kind == _STRUCT:
            self._fields(depth + 1)
            return 0
        raise _NoHeaderError

    def _values_of(self, kinds: tuple[int, ...], count: int, depth: int) -> int:
        for _ in range(count):
            for kind in kinds:
                self._value(kind, depth + 1)
        return 0

    def _byte(self) -> int:
        self._at += 1
        return self._content[self._at - 1]

    def _varint(self) -> int:
        number = shift = 0
        while True:
            byte = self._byte()
            number |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return number
            if shift > 63:
                raise _NoHeaderError

    def _skip(self, count: int) -> int:
        self._at += count
        if self._at > len(self._content):
            raise IndexError
        return 0


def _signed(number: int) -> int:
    """Zigzag to a number."""
    return number >> 1 ^ -(number & 1)


def _i16(number: int) -> int:
    """As much of a number as has room in a field's."""
    return (number + 0x8000) % 0x10000 - 0x8000
