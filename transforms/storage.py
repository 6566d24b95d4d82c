"""The few file operations that outputs need, on local paths and on Beam's file systems alike.

Local paths go to the operating system directly: Beam reads brackets and stars in them as patterns,
also when it deletes.
"""

from __future__ import annotations

import io
import os
import posixpath
import shutil
from collections.abc import Sequence
from typing import IO, cast

from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems


def is_local(path: str) -> bool:
    """Whether the path names a file of this machine rather than `scheme://...`."""
    return "://" not in path


def join(folder: str, name: str) -> str:
    """A file of a folder."""
    return posixpath.join(folder, name)


class _SafeFile(io.FileIO):
    """A file whose content is on the disk, and not only on its way there, once it is closed."""

    def close(self) -> None:
        if not self.closed:
            os.fsync(self.fileno())
        super().close()


def create(path: str) -> IO[bytes]:
    """Opens a new file for writing, its folders made as needed, nothing compressed on the way.

    A local file is on the disk when it is closed, a remote one appears only then.
    """
    if is_local(path):
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        return io.BufferedWriter(_SafeFile(path, "wb"))
    file = FileSystems.create(path, compression_type=CompressionTypes.UNCOMPRESSED)
    return cast("IO[bytes]", file)


def write_bytes(path: str, content: bytes) -> None:
    """Writes a whole file; whoever reads at any moment sees all of the old or all of the new."""
    target = f"{path}.new" if is_local(path) else path
    with create(target) as file:
        file.write(content)
    if target != path:
        move([(target, path)])


def open_read(path: str) -> IO[bytes]:
    """Opens a file for reading as it is, nothing decompressed on the way.

    Raises:
        FileNotFoundError: there is none.
    """
    if is_local(path):
        return open(path, "rb")
    if not FileSystems.exists(path):
        raise FileNotFoundError(path)
    file = FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED)
    return cast("IO[bytes]", file)


def read_bytes(path: str) -> bytes:
    """Reads a whole file.

    Raises:
        FileNotFoundError: there is none.
    """
    with open_read(path) as file:
        return file.read()


def exists(path: str) -> bool:
    """Whether a file is there."""
    return os.path.exists(path) if is_local(path) else FileSystems.exists(path)


def names(folder: str) -> list[str]:
    """Names of the files and folders in a folder, sorted; of none if there is no such folder."""
    if is_local(folder):
        return sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    found = FileSystems.match([join(folder, "*")])[0].metadata_list
    return sorted(posixpath.basename(item.path) for item in found)


def folders(folder: str, *, prefix: str) -> list[str]:
    """Names of the folders in a folder that begin with `prefix` and hold a file, sorted."""
    if is_local(folder):
        return [name for name in names(folder) if name.startswith(prefix)]
    found = FileSystems.match([join(folder, f"{prefix}**")])[0].metadata_list
    below = (item.path[len(join(folder, "")) :] for item in found)
    return sorted({path.split("/", 1)[0] for path in below if "/" in path})


def move(pairs: Sequence[tuple[str, str]]) -> None:
    """Renames files within one file system; a file that stood there is replaced."""
    if not pairs:
        return
    sources, targets = zip(*pairs, strict=True)
    if is_local(sources[0]):
        for source, target in pairs:
            os.replace(source, target)
        for folder in {os.path.dirname(target) or "." for target in targets}:
            _sync_folder(folder)
    else:
        FileSystems.rename(list(sources), list(targets))


def _sync_folder(folder: str) -> None:
    """Puts names on the disk, where the system can do so for folders."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def delete(paths: Sequence[str]) -> None:
    """Deletes files; those that are gone already do not matter."""
    for path in paths:
        if is_local(path):
            if os.path.lexists(path):
                os.remove(path)
        elif FileSystems.exists(path):
            FileSystems.delete([path])


def delete_tree(folder: str) -> None:
    """Deletes a folder and what it holds, if it is there."""
    if is_local(folder):
        if os.path.isdir(folder):
            shutil.rmtree(folder)
    elif found := FileSystems.match([join(folder, "**")])[0].metadata_list:
        FileSystems.delete([item.path for item in found])
