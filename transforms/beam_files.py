"""What else Beam can reach (s3://, hdfs://, ...), with the functions of `transforms.storage`."""

from __future__ import annotations

import errno
import importlib.util
import posixpath
from collections.abc import Sequence
from typing import IO, cast

from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems

from transforms.content import Content, Reserve, require_at_most
from transforms.errors import UserError

_EXTRAS = {"s3": ("aws", "boto3"), "azfs": ("azure", "azure"), "hdfs": ("hadoop", "hdfs")}
"""Scheme to the extra of apache-beam that brings it, and a module that comes with the extra."""


def require_access(path: str) -> None:
    """Stops where nothing that is installed knows the scheme.

    Raises:
        UserError: an extra of Beam does, the message says which.
        OSError: EPROTONOSUPPORT, nothing does.
    """
    scheme = path.partition("://")[0]
    extra, module = _EXTRAS.get(scheme, ("", ""))
    if extra and importlib.util.find_spec(module) is None:
        raise UserError(f"{scheme}:// needs an extra of Beam: pip install 'apache-beam[{extra}]'")
    try:
        FileSystems.get_filesystem(path)
    except ValueError as error:
        raise OSError(
            errno.EPROTONOSUPPORT, f"expected a local path, gs:// or s3://, not {scheme}://"
        ) from error


def read(path: str, *, max_bytes: int, reserve: Reserve) -> Content:
    """Reads a picture."""
    require_access(path)
    reserve(max_bytes)  # what Beam opens does not say how long it is
    with FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED) as file:
        data = file.read(max_bytes + 1)
    require_at_most(max_bytes, len(data), path)
    return Content(data, None)


def open_versioned(path: str) -> tuple[IO[bytes], str | None]:
    """As `open_read`; Beam's file systems tell no version."""
    return open_read(path), None


def open_read(path: str) -> IO[bytes]:
    """Opens a file for reading as it is, nothing decompressed on the way."""
    if not exists(path):
        raise FileNotFoundError(path)
    file = FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED)
    return cast("IO[bytes]", file)


def read_bytes(path: str) -> bytes:
    """Reads a whole file."""
    with open_read(path) as file:
        return file.read()


def create(path: str) -> IO[bytes]:
    """Opens a new file for writing, nothing compressed on the way."""
    file = FileSystems.create(path, compression_type=CompressionTypes.UNCOMPRESSED)
    return cast("IO[bytes]", file)


def exists(path: str) -> bool:
    """Whether a file is there."""
    return cast("bool", FileSystems.exists(path))


def changed(path: str) -> float | None:
    """When a file was written, where the file system tells."""
    found = FileSystems.match([path])[0].metadata_list
    return found[0].last_updated_in_seconds or None if found else None


def match(pattern: str) -> list[tuple[str, int]]:
    """Path and bytes of every file that a pattern of Beam matches (`**` crosses folders)."""
    found = FileSystems.match([pattern])[0].metadata_list
    return [(item.path, item.size_in_bytes) for item in found]


def names(folder: str) -> list[str]:
    """Names of the files in a folder, sorted."""
    return sorted(posixpath.basename(path) for path, _ in match(posixpath.join(folder, "*")))


def folders(folder: str, *, prefix: str) -> list[str]:
    """Names of the folders in a folder that begin with `prefix`, sorted."""
    inside = posixpath.join(folder, "")
    below = (path[len(inside) :] for path, _ in match(f"{inside}{prefix}**"))
    return sorted({path.split("/", 1)[0] for path in below if "/" in path})


def move(pairs: Sequence[tuple[str, str]]) -> None:
    """Renames files; a file that stood there is replaced."""
    sources, targets = zip(*pairs, strict=True)
    FileSystems.rename(list(sources), list(targets))


def delete(paths: Sequence[str]) -> None:
    """Deletes files; those that are gone already do not matter."""
    if present := [path for path in paths if exists(path)]:
        FileSystems.delete(present)


def delete_tree(folder: str) -> None:
    """Deletes every file of a folder."""
    if found := match(posixpath.join(folder, "**")):
        FileSystems.delete([path for path, _ in found])
