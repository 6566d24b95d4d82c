"""The kinds of archives: how each is told by its name, and who reads it.

A new kind is a reader in a file of its own and one entry here.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator
from typing import IO

from transforms.inputs.archives.base import Entry, Reading
from transforms.inputs.archives.compression import codec_of, head_of, is_tar, require_read
from transforms.inputs.archives.parquet import parquet_entries
from transforms.inputs.archives.tar import tar_entries
from transforms.inputs.archives.tfrecord import tfrecord_entries
from transforms.inputs.archives.zip import MARKS, zip_entries
from transforms.inputs.skips import Note, Skipped


@dataclasses.dataclass(frozen=True)
class ArchiveKind:
    """A kind of archive.

    Attributes:
        extension: as messages name it; its files may have others as well.
        pattern: found in the uri of each such file, and of no other.
        entries: reads an open file from its start to its end: an Entry a picture, a Skipped for
            each other member, a Note (without a path) on how it is understood; raises ImageError,
            after all that came before, if it is damaged.
    """

    extension: str
    pattern: re.Pattern[str]
    entries: Callable[[IO[bytes], Reading], Iterator[Entry | Skipped | Note]]


TAR = ArchiveKind(
    ".tar",
    re.compile(r"\.(tar(\.(gz|bz2|xz|zstd?))?|tgz|tbz2?|txz|tzst|cbt)$", re.IGNORECASE),
    tar_entries,
)

ZIP = ArchiveKind(".zip", re.compile(r"\.(zip|cbz)$", re.IGNORECASE), zip_entries)

# tensorflow_datasets counts after the extension. TF-Slim has no extension at all, and always
# writes its names in lower case.
TFRECORD = ArchiveKind(
    ".tfrecord",
    re.compile(r"(?i:\.tfrec(?:ords?)?(-\d+-of-\d+)?(\.gz)?)$|/[^/.]*-\d{5}-of-\d{5}$"),
    tfrecord_entries,
)

PARQUET = ArchiveKind(".parquet", re.compile(r"\.parquet$", re.IGNORECASE), parquet_entries)

ARCHIVE_KINDS = (TAR, ZIP, TFRECORD, PARQUET)
"""Every kind; no file is of two."""


def archive_kind(uri: str) -> ArchiveKind | None:
    """Which kind of archive a file is, by its name; None for a picture."""
    # Asked for each picture several times; a search takes as long as the text is.
    name = uri[max(0, uri.rfind("/")) :]
    return next((kind for kind in ARCHIVE_KINDS if kind.pattern.search(name)), None)


def entries_of(
    kind: ArchiveKind, file: IO[bytes], how: Reading
) -> Iterator[Entry | Skipped | Note]:
    """Reads an archive as what it is: people give zip archives the names of tar, and tar of zip.

    Raises:
        ImageError: it is packed in a way that is not read.
    """
    entries = kind.entries
    if kind in (TAR, ZIP):
        # A zip archive is read from its end on.
        head = head_of(file, only=kind is ZIP)
        if head.startswith(MARKS):
            entries = zip_entries
        elif is_tar(head) or codec_of(head) is not None:
            entries = tar_entries
        else:
            require_read(head)
    return entries(file, how)


def archive_of(uri: str) -> str | None:
    """The archive in the uri of a member, `archive#member`; None if it names none."""
    at = uri.find("#")
    while at >= 0:
        if archive_kind(uri[:at]) is not None:
            return uri[:at]
        at = uri.find("#", at + 1)
    return None
