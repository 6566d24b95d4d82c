"""Files of this machine, with the functions that `transforms.storage.files` describes.

They go to the operating system directly: Beam reads brackets and stars as patterns, also when it
deletes.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import functools
import io
import os
import shutil
import stat
from collections.abc import Sequence
from typing import IO, Any

from transforms.storage.content import Content, Reserve, require_at_most
from transforms.storage.streams import stream

# Read at a time from a file that is open for a moment: one batch of a part, about.
_BRIEF_BYTES = 64 * 1024

# Read at a time from a file that is not as long as it was said to be.
_MORE_BYTES = 1024 * 1024


def require_access(path: str) -> None:
    """Local files need nothing."""


def read(path: str, *, max_bytes: int, reserve: Reserve) -> Content:
    """Reads a picture."""
    descriptor, status = _open_regular(path)
    try:
        require_at_most(max_bytes, status.st_size, path)
        reserve(status.st_size)
        data = _read(descriptor, status.st_size, path=path, max_bytes=max_bytes)
        return Content(data, str(status.st_mtime_ns))
    finally:
        os.close(descriptor)


def _read(descriptor: int, size: int, *, path: str, max_bytes: int) -> bytes:
    """A file that has `size` bytes, or had a moment ago; of the system's own, many say 0.

    A file object would do, with seven calls of the system instead of one. In each of them the
    thread gives the interpreter away, and then it has to wait until it gets it back.
    """
    parts = [os.read(descriptor, size + 1)]
    while parts[-1] and sum(map(len, parts)) != size:  # it changes, or is given out in pieces
        parts.append(os.read(descriptor, _MORE_BYTES))
        require_at_most(max_bytes, sum(map(len, parts)), path)
    return b"".join(parts)


def _open_regular(path: str) -> tuple[int, os.stat_result]:
    """A descriptor of the file and what it was when it was opened."""
    try:
        # Opening a pipe would block for ever.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except ValueError:  # a NUL character, or half a surrogate pair
        raise FileNotFoundError(errno.ENOENT, "no file can have this name", path) from None
    except OSError as error:
        if error.errno in (errno.ENXIO, errno.ENODEV, errno.EOPNOTSUPP):  # a socket, a device
            raise _not_regular(path) from None
        raise
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise _not_regular(path)
    return descriptor, status


def _not_regular(path: str) -> OSError:
    return IsADirectoryError(errno.EISDIR, "not a regular file", path)


def open_versioned(path: str) -> tuple[IO[bytes], str | None]:
    """Opens a regular file for reading; its version is the time when it was changed, in ns."""
    descriptor, status = _open_regular(path)
    # The version of what was opened, whatever has that name by now.
    return open(descriptor, "rb"), str(status.st_mtime_ns)


def open_read(path: str) -> IO[bytes]:
    """Opens a regular file for reading."""
    return open(_open_regular(path)[0], "rb")


def open_briefly(path: str) -> IO[bytes]:
    """Opens a regular file for reading that takes no descriptor but while bytes are read."""
    descriptor, status = _open_regular(path)
    os.close(descriptor)
    span = functools.partial(_read_span, path)
    return stream(span, status.st_size, chunk=_BRIEF_BYTES)


def _read_span(path: str, start: int, length: int) -> bytes:
    with open(path, "rb", buffering=0) as file:
        file.seek(start)
        return file.read(length)


def read_bytes(path: str) -> bytes:
    """Reads a whole file."""
    with open_read(path) as file:
        return file.read()


class _NewFile(io.BufferedWriter):
    """A file that has its name once its content is on the disk, and not only on its way there.

    The system may write the end of a file before its middle: with its name from the beginning it
    would look complete after the power has failed.
    """

    def __init__(self, raw: io.FileIO, path: str) -> None:
        super().__init__(raw)
        self._path = path
        self._whole = True

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError as error:
            raise self._named(error) from error

    def _named(self, error: OSError) -> OSError:
        """A disk that is full does not say which file it has no room for."""
        return OSError(error.errno, error.strerror, self._path)

    def close(self) -> None:
        if self.closed:
            return
        try:
            self.flush()
            os.fsync(self.fileno())
        except OSError as error:
            self._whole = False
            raise self._named(error) from error
        finally:
            with contextlib.suppress(OSError):  # it has been raised already
                super().close()
            if not self._whole:
                os.remove(f"{self._path}.new")
        if self._whole:
            move([(f"{self._path}.new", self._path)])

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        self._whole = error is None  # else the half would appear
        super().__exit__(kind, error, trace)

    def __del__(self) -> None:
        self._whole = False  # nobody has closed it
        super().__del__()


def create(path: str) -> IO[bytes]:
    """Opens a new file for writing, its folders made as needed; it appears when it is closed."""
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    return _NewFile(io.FileIO(f"{path}.new", "wb"), path)


def replace(path: str, content: bytes) -> None:
    """Writes a whole file in a folder that is there; what it held stays if it cannot be written.

    Raises:
        OSError: there is no such folder, or no permission or room.
    """
    os.stat(os.path.dirname(path) or ".")
    with create(path) as file:
        file.write(content)


def exists(path: str) -> bool:
    """Whether a file or folder is there."""
    return os.path.exists(path)


def changed(path: str) -> float | None:
    """When a file was written, renamed or linked last, whichever was later.

    The time that people see and set (mtime) may be any, in the future too. That of the system's own
    record (ctime) moves with each of these, and nobody can set it.
    """
    times: list[float] = []
    for look in (os.lstat, os.stat):
        # ValueError: a NUL character in the name. A dangling link has a time of its own.
        with contextlib.suppress(FileNotFoundError, NotADirectoryError, ValueError):
            times.append(look(path).st_ctime)
    return max(times, default=None)


def names(folder: str) -> list[str]:
    """Names of the files and folders in a folder, sorted."""
    return sorted(os.listdir(folder)) if os.path.isdir(folder) else []


def folders(folder: str, *, prefix: str) -> list[str]:
    """Names of the folders in a folder that begin with `prefix`, sorted."""
    return [name for name in names(folder) if name.startswith(prefix)]


def move(pairs: Sequence[tuple[str, str]]) -> None:
    """Renames files; a file that stood there is replaced. Makes the folders that are missing."""
    folders = {os.path.dirname(target) or "." for _, target in pairs}
    for folder in folders:
        os.makedirs(folder, exist_ok=True)
    for source, target in pairs:
        os.replace(source, target)
    for folder in folders:
        _sync_folder(folder)


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
        if os.path.lexists(path):
            os.remove(path)


def delete_tree(folder: str) -> None:
    """Deletes a folder and what it holds."""
    if os.path.islink(folder):
        os.remove(folder)
    elif os.path.isdir(folder):
        shutil.rmtree(folder)


def replace_tree(new: str, old: str) -> None:
    """Puts a folder in the place of another, at one moment where the system can swap two."""
    os.makedirs(new, exist_ok=True)  # a folder of nothing may not have been made
    if not os.path.lexists(old):
        os.rename(new, old)
    elif not _swapped(new, old):
        aside = f"{new}.old"
        os.rename(old, aside)
        os.rename(new, old)
        delete_tree(aside)
    _sync_folder(os.path.dirname(old) or ".")
    delete_tree(new)


# From Linux' fcntl.h and fs.h: https://man7.org/linux/man-pages/man2/rename.2.html.
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2


def _swapped(first: str, second: str) -> bool:
    """Gives two paths each other's names; False where the system or file system cannot."""
    try:
        renameat2 = ctypes.CDLL(None).renameat2
    except (AttributeError, OSError):
        return False
    paths = (os.fsencode(first), os.fsencode(second))
    done: int = renameat2(_AT_FDCWD, paths[0], _AT_FDCWD, paths[1], _RENAME_EXCHANGE)
    return done == 0
