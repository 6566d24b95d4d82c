"""Pictures of a zip archive, read in the order in which they lie in the file."""

from __future__ import annotations

import errno
import functools
import itertools
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import IO, cast

from transforms.failures import ImageError, Reason
from transforms.inputs.archives.base import Entry, Reading, damaged
from transforms.inputs.archives.samples import File, sample_entries
from transforms.inputs.skips import Note, Skipped

MARKS = (b"PK\x03\x04", b"PK\x05\x06")
"""How a zip archive begins, and one without a member."""

# Bytes of the list of all members, about 800,000 of them; `zipfile` holds it in memory.
_MAX_DIRECTORY = 64 * 1024 * 1024

# APPNOTE.TXT of PKWARE, 4.3.7 and 4.3.12: bytes before a member's name, in its own header and in
# the directory, and how an entry of that begins. Flags: 4.4.4. Extra fields: 4.5.1, 4.5.3.
_LOCAL_HEADER = 30
_DIRECTORY_HEADER = 46
_DIRECTORY_MARK = b"PK\x01\x02"
_ZIP64 = 0x1
_NO_FIELD = 0xFFFF
_ENCRYPTED = 0x1
_UTF8 = 0x800
# What `zipfile` raises for damaged or hostile archives, besides errors of the storage.
_DAMAGE = (
    *(zipfile.BadZipFile, zlib.error, EOFError, struct.error),
    *(NotImplementedError, ValueError, OverflowError, LookupError),
)

_METHODS = {9: "Deflate64", 12: "bzip2", 14: "LZMA", 93: "zstd", 95: "xz", 98: "PPMd"}
# Methods whose memory is bounded whatever a file says, and that every packer knows.
_READ = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def zip_entries(file: IO[bytes], how: Reading) -> Iterator[Entry | Skipped | Note]:
    """The pictures of an archive, with their siblings, as in `sample_entries`.

    A member of whom only its own bytes are damaged costs itself. What claims to hold more than
    `how.max_bytes` is not unpacked at all, and what unpacks to more than it claims is damaged.

    Args:
        file: that can seek.
        how: see there.

    Raises:
        ImageError: its directory is damaged or too large, it is the last piece of several, or
            storage failed.
    """
    bounded = _Bounded(file)
    try:
        archive = zipfile.ZipFile(cast("IO[bytes]", bounded))
    except _DAMAGE as error:
        raise damaged(f"not a readable zip archive: {error}") from error
    except OSError as error:
        raise _failed(error) from error
    bounded.has_directory = True
    with archive:
        yield from sample_entries(_files(archive), how)


class _Bounded:
    """A file of which no more is read at a time than a directory may have.

    Attributes:
        has_directory: that was read; what follows are members, given as they are.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.has_directory = False
        self.seek = file.seek
        self.tell = file.tell
        self.seekable = file.seekable

    def read(self, size: int = -1) -> bytes:
        if size > _MAX_DIRECTORY:
            message = f"a zip archive with a directory of {size} bytes, the limit is "
            raise ImageError(Reason.UNSUPPORTED_FORMAT, f"{message}{_MAX_DIRECTORY}; split it")
        content = self._file.read(size)
        if self.has_directory or not content.startswith(_DIRECTORY_MARK):
            return content
        return _mended(content)


def _mended(content: bytes) -> bytes:
    """A directory without what `zipfile` refuses the whole archive for: one member's entry."""
    directory = bytearray(content)
    at = 0
    while directory.startswith(_DIRECTORY_MARK, at) and at + _DIRECTORY_HEADER <= len(directory):
        version, flags = struct.unpack_from("<HH", directory, at + 6)
        sizes = struct.unpack_from("<II", directory, at + 20)
        name, extra, comment = struct.unpack_from("<HHH", directory, at + 28)
        place = struct.unpack_from("<I", directory, at + 42)
        begin = at + _DIRECTORY_HEADER
        if flags & _UTF8 and not _is_utf8(directory[begin : begin + name]):
            struct.pack_into("<H", directory, at + 8, flags & ~_UTF8)
        if version > zipfile.MAX_EXTRACT_VERSION:  # its method tells whether it is read
            struct.pack_into("<H", directory, at + 6, zipfile.MAX_EXTRACT_VERSION)
        begin += name
        far = (*sizes, *place).count(0xFFFFFFFF)
        if not _are_whole(directory[begin : begin + extra], far=far) and extra >= 4:
            struct.pack_into("<HH", directory, begin, _NO_FIELD, extra - 4)
        at = begin + extra + comment
    return bytes(directory)


def _is_utf8(name: bytearray) -> bool:
    try:
        name.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _are_whole(extra: bytearray, *, far: int) -> bool:
    """Whether fields end where they say, one of zip64 with the `far` numbers that it must hold."""
    while len(extra) >= 4:
        kind, size = struct.unpack_from("<HH", extra)
        if 4 + size > len(extra) or (kind == _ZIP64 and size < 8 * far):
            return False
        extra = extra[4 + size :]
    return True


def _files(archive: zipfile.ZipFile) -> Iterator[File]:
    # As they lie in the file, so that remote ones are read from front to back.
    infos = sorted(archive.infolist(), key=lambda info: info.header_offset)
    if any(info.volume for info in infos):
        text = "a piece of a split archive: join the pieces first (zip -s 0)"
        raise ImageError(Reason.UNSUPPORTED_FORMAT, text)
    # Each with the one behind it, which tells whether the two share bytes.
    for info, after in itertools.zip_longest(infos, infos[1:]):
        if not info.filename.endswith("/"):  # `is_dir` knows no empty names
            yield File(
                _name(info),
                info.file_size,
                info.header_offset,
                _problem(info, after, end=archive.start_dir),
                functools.partial(_content, archive, info),
            )


def _name(info: zipfile.ZipInfo) -> str:
    """The member's name; many packers write UTF-8 without saying so."""
    if info.flag_bits & _UTF8:
        return info.filename
    try:
        # `zipfile` reads names as cp437 where the flag is missing; this gives the bytes back.
        return info.filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return info.filename


def _problem(
    info: zipfile.ZipInfo, after: zipfile.ZipInfo | None, *, end: int
) -> ImageError | None:
    if not 0 <= info.header_offset < end:  # bytes are missing, or the directory is damaged
        return damaged("this member begins outside of the file")
    if stat.S_ISLNK(info.external_attr >> 16):
        return ImageError(Reason.NOT_A_FILE, "a link; links are not followed")
    if info.flag_bits & _ENCRYPTED:
        return ImageError(
            Reason.UNSUPPORTED_FORMAT, "encrypted; unpack the archive with its password first"
        )
    if info.compress_type not in _READ:
        method = _METHODS.get(info.compress_type, f"method {info.compress_type}")
        return ImageError(
            Reason.UNSUPPORTED_FORMAT,
            f"compressed by {method}, which is not read; pack it with deflate",
        )
    end = info.header_offset + _LOCAL_HEADER + info.compress_size
    if after is not None and end > after.header_offset:
        return damaged("the bytes of this member are those of another one, too")
    return None


def _content(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes | ImageError:
    try:
        with archive.open(info) as member:
            content = member.read()
    except _DAMAGE as error:
        return damaged(f"the member cannot be unpacked: {error}")
    except OSError as error:
        raise _failed(error) from error
    if len(content) != info.file_size:
        return damaged(f"the member has {len(content)} bytes, and not {info.file_size}")
    return content


def _failed(error: OSError) -> ImageError:
    if error.errno == errno.EINVAL:  # asked for by a damaged directory
        return damaged("a place in front of the archive's beginning")
    return ImageError(Reason.from_os_error(error), error.strerror or str(error))
