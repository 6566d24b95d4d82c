"""What archives of every kind share: what they are taken apart into, and how they are read.

An archive is one file that holds many pictures: a tar archive (WebDataset), a TFRecord of
tf.train.Example, or Parquet with a column of bytes. It is read as a stream, and nothing of it is
ever extracted to disk: a member's name is only a name.
"""

from __future__ import annotations

import dataclasses
import gzip
import zlib
from collections.abc import Callable, Mapping
from typing import IO, Any, NamedTuple

from transforms.failures import ImageError, Reason

MAX_META = 65_536
"""Characters of a text and values of a list that go into `meta`; what is longer is left out."""


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


@dataclasses.dataclass(frozen=True, kw_only=True)
class Reading:
    """What a reader has to know besides the bytes of the archive.

    Attributes:
        zipped: whether the whole file is compressed with gzip.
        image_key: the feature or column that holds the encoded picture, None for the usual one.
        max_bytes: pictures with more are failures and are not held in memory.
        kind_of: why a member is no picture, by its name, as in `Skipped`; an error if it is one of
            a type that is not read; None if it is one that is.
    """

    zipped: bool = False
    image_key: str | None = None
    max_bytes: int
    kind_of: Callable[[str], str | ImageError | None]


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
        *[".pbm", ".pgm", ".pnm", ".ppm"],
        *[".heic", ".heif", ".hif", ".heics", ".heifs", ".avif", ".avifs", ".jxl"],
        *[".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx"],
    ]
)
"""What a folder is searched for. Globs and input lists take every file that they name."""
