"""Pictures of a tar archive, one after the other, with the siblings that stand beside them."""

from __future__ import annotations

import dataclasses
import json
import posixpath
import tarfile
from collections.abc import Callable, Iterator
from typing import IO, Any, cast

from transforms.failures import ImageError, Reason
from transforms.inputs.archives.base import (
    MAX_META,
    ArchiveStream,
    Entry,
    Reading,
    damaged,
    too_large,
)
from transforms.inputs.skips import HIDDEN, Skipped

SIBLINGS = frozenset([".cls", ".json", ".txt"])
"""Extensions of files that describe the picture of the same name."""

# Of pictures that wait for their siblings.
_HELD_BYTES = 64 * 1024 * 1024

_READ_BYTES = 64 * 1024
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


def tar_entries(file: IO[bytes], how: Reading) -> Iterator[Entry | Skipped]:
    """The pictures of an archive, and what else a user may have meant, told by their names.

    As in WebDataset, files that follow each other and have the same path up to the first dot of
    their name are one sample: its `.cls`, `.json` and `.txt` become the meta of its pictures.

    Args:
        file: the archive, at its start.
        how: see there; a tar archive has no `image_key`.

    Yields:
        An Entry a picture, a Skipped for each other file.

    Raises:
        ImageError: the archive is damaged, or storage failed; after all that came before.
    """
    archive = _Archive(ArchiveStream(file, zipped=how.zipped))
    sample = _Sample()
    names: set[str] = set()
    try:
        for member in archive.members():
            if _key(member.name) != sample.key:
                yield from sample.finish()
                sample = _Sample(_key(member.name))
            kind = how.kind_of(member.name)
            if not isinstance(kind, str):
                entry = _entry(archive, member, names, refused=kind, max_bytes=how.max_bytes)
                yield from sample.add_picture(entry)
            elif kind != HIDDEN and _describes(member):
                sample.add_sibling(Skipped(member.name, kind), archive.content(member))
            else:
                yield Skipped(member.name, kind)
    except (ImageError, *_DAMAGE) as error:
        yield from sample.finish()
        raise archive.explained(error) from error
    yield from sample.finish()


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
        """The bytes of the member that was handed out last."""
        self._position = member.offset_data
        file = cast("IO[bytes]", self._tar.extractfile(member))
        return file.read()

    def _require_the_end(self) -> None:
        file = cast("IO[bytes]", self._tar.fileobj)
        while block := file.read(_READ_BYTES):
            if block.count(0) < len(block):
                raise tarfile.ReadError("more data follow the mark that ends the archive")

    def explained(self, error: Exception) -> ImageError:
        """The error with the place where it happened."""
        if isinstance(error, ImageError) and error.reason is not Reason.DAMAGED_ARCHIVE:
            return error
        return damaged(f"the archive breaks at byte {self._position}: {error}")


@dataclasses.dataclass
class _Sample:
    """Members with one key that follow each other; its pictures wait for their siblings."""

    key: str | None = None
    pictures: list[Entry] = dataclasses.field(default_factory=list)
    siblings: list[Skipped] = dataclasses.field(default_factory=list)
    meta: dict[str, Any] = dataclasses.field(default_factory=dict)
    held: int = 0
    has_picture: bool = False

    def add_picture(self, entry: Entry) -> Iterator[Entry]:
        """Keeps a picture until the sample is complete; hands out what would be too much."""
        self.has_picture = True
        self.pictures.append(entry)
        self.held += len(entry.content) if isinstance(entry.content, bytes) else 0
        if self.held > _HELD_BYTES:
            yield from self._release()

    def add_sibling(self, member: Skipped, content: bytes) -> None:
        """Keeps what a sibling says."""
        self.siblings.append(member)
        self.meta[posixpath.basename(member.path).partition(".")[2]] = _value(member.path, content)

    def finish(self) -> Iterator[Entry | Skipped]:
        """Hands out the rest: the pictures, or the siblings of none."""
        yield from self._release()
        if not self.has_picture:
            yield from self.siblings

    def _release(self) -> Iterator[Entry]:
        for entry in self.pictures:
            yield entry._replace(meta=self.meta)
        self.pictures, self.held = [], 0


def _entry(
    archive: _Archive,
    member: tarfile.TarInfo,
    names: set[str],
    *,
    refused: ImageError | None,
    max_bytes: int,
) -> Entry:
    # Rows are told apart by uri, so a name counts once.
    if member.name in names:
        error = ImageError(Reason.NAME_TAKEN, "an earlier member has this name; rename one of them")
        return Entry(f"{member.name}@{member.offset}", error, member.size, {})
    names.add(member.name)
    if not member.isreg():
        link = f"a link to {member.linkname}; links are not followed" if member.linkname else ""
        error = ImageError(Reason.NOT_A_FILE, link or "not a regular file")
        return Entry(member.name, error, None, {})
    if refused is not None:
        return Entry(member.name, refused, member.size, {})
    if member.size > max_bytes:
        return Entry(member.name, too_large(member.size, limit=max_bytes), member.size, {})
    return Entry(member.name, archive.content(member), member.size, {})


def _key(name: str) -> str:
    """What the members of a sample share: the path up to the first dot of its last part."""
    folder, base = posixpath.split(name)
    return posixpath.join(folder, base.partition(".")[0])


def _extension(name: str) -> str:
    return posixpath.splitext(name)[1].lower()


def _describes(member: tarfile.TarInfo) -> bool:
    return _extension(member.name) in SIBLINGS and member.isreg() and member.size <= MAX_META


def _value(name: str, content: bytes) -> Any:
    """A class as a number, JSON as what it stands for, anything else as the text that it is."""
    text = content.decode("utf-8", "replace")
    try:
        if _extension(name) == ".cls":
            return int(text)
        if _extension(name) == ".json":
            return json.loads(text)
    except (ValueError, RecursionError):
        pass
    return text
