"""Pictures of a tar archive, one after the other."""

from __future__ import annotations

import functools
import tarfile
from collections.abc import Callable, Iterator
from typing import IO, Any, cast

from transforms.failures import ImageError, Reason
from transforms.inputs.archives.base import Entry, Reading, damaged
from transforms.inputs.archives.compression import ArchiveStream, codec_of, head_of
from transforms.inputs.archives.samples import File, sample_entries
from transforms.inputs.skips import Note, Skipped

_READ_BYTES = 64 * 1024
# Zeros behind the end that are looked at: a file that was only set aside may have terabytes.
_MAX_PADDING = 1024**3
# Of long names and pax records, which `tarfile` takes into memory whole.
_MAX_HEADER = 1024 * 1024
# What `tarfile` raises for hostile headers, besides its own errors: for numbers and texts, and for
# headers that announce headers that announce headers.
_DAMAGE = (tarfile.TarError, ValueError, OverflowError, LookupError, RecursionError)

_EXTENDED = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)


def tar_entries(file: IO[bytes], how: Reading) -> Iterator[Entry | Skipped | Note]:
    """The pictures of an archive, with their siblings, as in `sample_entries`.

    Args:
        file: the archive, at its start; compressed or not, whatever its name.
        how: see there.

    Raises:
        ImageError: the archive is damaged, or storage failed; after all that came before.
    """
    archive = _Archive(ArchiveStream(file, codec=codec_of(head_of(file))))
    yield from sample_entries(_files(archive), how)


def _files(archive: _Archive) -> Iterator[File]:
    try:
        for member in archive.members():
            content = functools.partial(archive.content, member)
            yield File(member.name, member.size, member.offset, _problem(member), content)
    except (ImageError, *_DAMAGE) as error:
        raise archive.explained(error) from error


def _problem(member: tarfile.TarInfo) -> ImageError | None:
    if member.isreg():
        return None
    link = f"a link to {member.linkname}; links are not followed" if member.linkname else ""
    return ImageError(Reason.NOT_A_FILE, link or "not a regular file")


# Of the list of members that pixz puts behind an archive, for itself.
_PIXZ_MARK = 0xDBAE_14D6_2E32_4CA6.to_bytes(8, "little")


class _Header(tarfile.TarInfo):
    """A header; damage is an error, where `tarfile` would take it for the end of the archive."""

    checked = False

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> _Header:
        return cls._checked(super().frombuf, buf, encoding, errors)

    @classmethod
    def _frombuf(cls, buf: bytes | bytearray, *arguments: Any, **options: Any) -> _Header:
        """What newer patch releases of Python call instead, Debian's 3.13.5 among them."""
        return cls._checked(super()._frombuf, buf, *arguments, **options)  # type: ignore[misc]

    @classmethod
    def _checked(
        cls, parse: Callable[..., Any], buf: bytes | bytearray, *arguments: Any, **options: Any
    ) -> _Header:
        try:
            header: _Header = parse(buf, *arguments, **options)
        except tarfile.HeaderError as error:
            if len(buf) == tarfile.BLOCKSIZE and not any(buf):
                raise  # the mark that ends an archive
            what = str(error) if buf else "the end mark is missing"
            raise tarfile.ReadError(what) from error
        if header.type in _EXTENDED and header.size > _MAX_HEADER:
            raise tarfile.ReadError(f"a header of {header.size} bytes")
        header.checked = True
        return header


class _Archive:
    """An archive that is read forward only and remembers where it is."""

    def __init__(self, stream: ArchiveStream) -> None:
        self._stream = stream
        self._position = 0

    def members(self) -> Iterator[tarfile.TarInfo]:
        """Everything but folders."""
        with tarfile.open(
            fileobj=cast("IO[bytes]", self._stream),
            mode="r|",
            bufsize=_READ_BYTES,
            tarinfo=_Header,
            encoding="utf-8",
            errors="surrogateescape",
        ) as self._tar:
            while member := cast("_Header | None", self._tar.next()):
                if not member.checked:  # then damage would be lost without a word
                    raise RuntimeError("tarfile of this Python reads headers in a way not known")
                # Else the headers of a whole archive are held.
                self._tar.members.clear()  # type: ignore[attr-defined]
                if not member.isdir():
                    yield member
                self._skip_to_next()
            self._require_the_end()

    def _skip_to_next(self) -> None:
        """`tarfile` would go on skipping at the end of the file, for as long as a header claims."""
        file = cast("IO[bytes]", self._tar.fileobj)
        while (left := self._tar.offset - file.tell()) > 0:
            self._position = file.tell()
            if not file.read(min(left, _READ_BYTES)):
                raise tarfile.ReadError("the file ends within a member")
        self._position = self._tar.offset

    def content(self, member: tarfile.TarInfo) -> bytes:
        """The bytes of the member that was handed out last.

        Raises:
            ImageError: they end too early, or storage failed.
        """
        self._position = member.offset_data
        file = cast("IO[bytes]", self._tar.extractfile(member))
        try:
            return file.read()
        except (ImageError, *_DAMAGE) as error:
            raise self.explained(error) from error

    def _require_the_end(self) -> None:
        file = cast("IO[bytes]", self._tar.fileobj)
        end = file.tell() + _MAX_PADDING
        while file.tell() < end and (block := file.read(_READ_BYTES)):
            rest = block.lstrip(b"\0")
            if rest.startswith(_PIXZ_MARK):
                return
            if rest:
                raise tarfile.ReadError("more data follow the mark that ends the archive")

    def explained(self, error: Exception) -> ImageError:
        """The error with the place where it happened."""
        if isinstance(error, ImageError) and error.reason is not Reason.DAMAGED_ARCHIVE:
            return error
        return damaged(f"the archive breaks at byte {self._position}: {error}")
