"""What archives of every kind share: how they are told, and what they are taken apart into.

An archive is one file that holds many pictures: a tar archive (WebDataset), a TFRecord of
tf.train.Example, or Parquet with a column of bytes. It is read as a stream, and nothing of it is
ever extracted to disk: a member's name is only a name.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Mapping
from typing import IO, Any, Literal, NamedTuple, TypeAlias

from transforms.failures import ImageError, Reason
from transforms.records import Failure, ImageRef

MAX_META = 65_536
"""Characters of a text and values of a list that go into `meta`; what is longer is left out."""

ArchiveKind = Literal["tar", "tfrecord", "parquet"]

_NAMES: tuple[tuple[ArchiveKind, re.Pattern[str]], ...] = (
    ("tar", re.compile(r"\.(tar|tar\.gz|tgz)$", re.IGNORECASE)),
    # tensorflow_datasets counts after the extension, TF-Slim has no extension at all.
    ("tfrecord", re.compile(r"\.tfrecords?(-\d+-of-\d+)?(\.gz)?$", re.IGNORECASE)),
    ("tfrecord", re.compile(r"/[^/.]*-\d{5}-of-\d{5}$")),
    ("parquet", re.compile(r"\.parquet$", re.IGNORECASE)),
)


class Entry(NamedTuple):
    """One picture of an archive, or what stands where one should be.

    Attributes:
        name: unique within the archive.
        content: the encoded picture, or why it cannot be had.
        size: bytes of the encoded picture, None if it is not known.
        meta: what comes along with it: siblings, other features, other columns.
    """

    name: str
    content: bytes | ImageError
    size: int | None
    meta: Mapping[str, Any]


def archive_kind(uri: str) -> ArchiveKind | None:
    """How a file is packed, by its name; None for a picture."""
    return next((kind for kind, name in _NAMES if name.search(uri)), None)


def archive_of(uri: str) -> str | None:
    """The archive in the uri of a member, `archive#member`; None if it names none."""
    at = uri.find("#")
    while at >= 0:
        if archive_kind(uri[:at]) is not None:
            return uri[:at]
        at = uri.find("#", at + 1)
    return None


def is_zipped(uri: str) -> bool:
    """Whether a tar or TFRecord file is compressed, by its name."""
    return uri.lower().endswith((".gz", ".tgz"))


def damaged(message: str) -> ImageError:
    """The error that ends the reading of an archive."""
    return ImageError(Reason.DAMAGED_ARCHIVE, message)


def too_large(size: int, *, limit: int) -> ImageError:
    """The error of a member over the limit of bytes."""
    return ImageError(Reason.TOO_LARGE_BYTES, f"{size} bytes, the limit is {limit}")


class ArchiveStream:
    """A file that is read once from its start, unzipped on the way if need be.

    Whatever can be read before a break is handed out before the break is reported.

    Args:
        file: at its start; stays the caller's.
        zipped: whether it is compressed with gzip.
    """

    def __init__(self, file: IO[bytes], *, zipped: bool) -> None:
        self._read_some = gzip.GzipFile(fileobj=file).read1 if zipped else file.read
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
            raise self._broken
        self.position += size - missing
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _part(self, size: int) -> bytes:
        """Some bytes; none at the end and where the file is broken."""
        if self._broken is None:
            try:
                return self._read_some(size)
            except (EOFError, zlib.error, gzip.BadGzipFile) as error:
                self._broken = damaged(f"the compressed data are damaged: {error}")
            except OSError as error:
                message = error.strerror or str(error)
                self._broken = ImageError(Reason.from_os_error(error), message)
        return b""


IMAGE_EXTENSIONS = frozenset(
    [
        *[".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"],
        *[".png", ".webp", ".gif", ".tif", ".tiff", ".bmp", ".dib"],
    ]
)
"""What a folder is searched for. Globs and input lists take every file that they name."""


class Skipped(NamedTuple):
    """A file of a folder or archive that is no input, or a folder that is not entered.

    Attributes:
        path: of it; within an archive its name there.
        kind: why, see `transforms.inputs.kinds`.
    """

    path: str
    kind: str = "other"


Listed: TypeAlias = "ImageRef | Skipped | Failure"
