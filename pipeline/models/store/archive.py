"""What a file that claims to be a model holds: a tflite, or an archive with exactly one."""

from __future__ import annotations

import gzip
import hashlib
import tarfile
import zlib
from collections.abc import Iterator
from typing import IO, Any

from pipeline.models.store.download import Limits
from transforms.errors import UserError

_GZIP_MAGIC = b"\x1f\x8b"
_IDENTIFIER = b"TFL3"  # bytes 4 to 8 of every tflite, `file_identifier` of its schema
_CHUNK_BYTES = 1 << 16
_MAX_ENTRIES = 1000  # of an archive; the official ones have about ten
_DAMAGED = (
    tarfile.TarError,
    OSError,  # gzip.BadGzipFile
    EOFError,
    zlib.error,
    ValueError,  # a number in an extended header that is none
    RecursionError,  # tarfile calls itself for every extended header that follows another
)


def unpack(
    file: IO[bytes],
    *,
    what: str,
    limits: Limits,
    member: str | None = None,
    archive_sha256: str | None = None,
) -> tuple[bytes, str | None]:
    """The tflite that `file` is or holds, and the sha256 of the archive if it is one.

    Nothing is unpacked to disk, so no path in the archive can lead anywhere.

    Args:
        file: open for reading, seekable.
        what: how messages call it.
        limits: the two sizes.
        member: name of the tflite in the archive, at its top level; default: the only one there.
        archive_sha256: hash that an archive must have, compared before anything parses it.

    Raises:
        UserError: it is neither, or damaged, or too large, or has another hash.
    """
    file.seek(0)
    archive = None
    is_archive = file.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
    if is_archive:
        archive = _hash(file)
        if archive_sha256 not in (None, archive):
            raise not_published(what, archive, str(archive_sha256))
    file.seek(0)
    if is_archive:
        tflite = _take_tflite(file, what=what, limits=limits, member=member)
    else:
        # One more than is allowed tells a file that is too large from one that just fits.
        tflite = file.read(limits.max_tflite_bytes + 1)
    if len(tflite) > limits.max_tflite_bytes:
        raise _too_large(what, limits)
    check_identifier(tflite, what=what)
    return tflite, archive


def check_identifier(tflite: bytes, *, what: str) -> None:
    """A cheap test that keeps error pages and the like out of the cache.

    Raises:
        UserError: `tflite` does not begin like a tflite.
    """
    if tflite[4:8] != _IDENTIFIER:
        found = f"it starts with {tflite[:16]!r}" if tflite else "it is empty"
        raise UserError(
            f"{what} is not a tflite model (bytes 4 to 8 would be {_IDENTIFIER!r}) nor a gzipped "
            f"tar archive: {found}; check where it comes from"
        )


def not_published(what: str, sha256: str, published: str) -> UserError:
    """The error for a download that is not what its publisher put there."""
    return UserError(
        f"{what} has sha256 {sha256}, but {published} was published; it was not kept. Try again; "
        "check the mirror, if QUANTLABEL_MODEL_BASE_URL names one; or pass --model PATH"
    )


def _hash(file: IO[bytes]) -> str:
    digest = hashlib.sha256()
    file.seek(0)
    while chunk := file.read(_CHUNK_BYTES):
        digest.update(chunk)
    return digest.hexdigest()


class _Bounded:
    """The read side of a stream, up to a limit: a small archive can unpack to any size."""

    def __init__(self, stream: gzip.GzipFile, *, limit: int, what: str) -> None:
        self._stream = stream
        self._limit = self._left = limit
        self._what = what

    def read(self, size: int) -> bytes:
        data = self._stream.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise UserError(
                f"{self._what} unpacks to more than {self._limit:,} bytes: no archive of a model; "
                "check where it comes from"
            )
        return data


def _take_tflite(file: IO[bytes], *, what: str, limits: Limits, member: str | None) -> bytes:
    """The one wanted member of an archive."""
    found: dict[str, bytes] = {}
    try:
        with gzip.GzipFile(fileobj=file) as unzipped:
            stream: Any = _Bounded(unzipped, limit=limits.max_archive_bytes, what=what)
            # As a stream ("|"), tarfile never goes back, so no header can make it go in circles.
            with tarfile.open(fileobj=stream, mode="r|") as archive:
                for entry in _tflites(archive, what=what):
                    if member in (None, entry.name.removeprefix("./")):
                        found[repr(entry.name)] = _content(archive, entry, limits, what=what)
                    if len(found) > 1:
                        break
    except _DAMAGED as error:
        raise UserError(f"{what} is a damaged archive ({error}); download it again") from error
    if len(found) != 1:
        raise UserError(
            f"{what}: expected an archive with one {member or 'file named *.tflite'}, "
            f"found {' and '.join(found) or 'none'}; pass the path of the .tflite itself"
        )
    return found.popitem()[1]


def _tflites(archive: tarfile.TarFile, *, what: str) -> Iterator[tarfile.TarInfo]:
    for count, entry in enumerate(archive):
        if count == _MAX_ENTRIES:  # tarfile keeps them all in memory
            raise UserError(
                f"{what} has more than {_MAX_ENTRIES:,} entries: no archive of a model; check "
                "where it comes from"
            )
        if entry.isreg() and entry.name.endswith(".tflite"):
            yield entry


def _content(
    archive: tarfile.TarFile, entry: tarfile.TarInfo, limits: Limits, *, what: str
) -> bytes:
    if entry.size > limits.max_tflite_bytes:
        raise _too_large(f"{entry.name!r} in {what}", limits)
    file = archive.extractfile(entry)
    return b"" if file is None else file.read()  # None only for what is not a regular file


def _too_large(what: str, limits: Limits) -> UserError:
    return UserError(
        f"{what} has more than {limits.max_tflite_bytes:,} bytes: no such model; check where it "
        "comes from"
    )
