"""What archives of every kind share: what they are taken apart into, and how they are read.

An archive is one file that holds many pictures: a tar (WebDataset) or zip archive, a TFRecord of
tf.train.Example, or Parquet with a column of bytes. Nothing of it is ever extracted to disk: a
member's name is only a name.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

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
        uri: of the archive.
        image_key: the feature, column or key that holds the encoded picture, None for the usual
            one.
        max_bytes: pictures with more are failures and are not held in memory.
        kind_of: why a member is no picture, by its name, as in `Skipped`; an error if it is one of
            a type that is not read; None if it is one that is.
    """

    uri: str
    image_key: str | None = None
    max_bytes: int
    kind_of: Callable[[str], str | ImageError | None]


def damaged(message: str) -> ImageError:
    """The error that ends the reading of an archive."""
    return ImageError(Reason.DAMAGED_ARCHIVE, message)


def too_large(size: int, *, limit: int) -> ImageError:
    """The error of a member over the limit of bytes."""
    return ImageError(Reason.TOO_LARGE_BYTES, f"{size} bytes, the limit is {limit}")


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


def is_picture_name(path: str) -> bool:
    """Whether a file is searched for, by its extension."""
    return os.path.splitext(path)[1].lower() in IMAGE_EXTENSIONS
