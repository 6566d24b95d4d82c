"""Files wherever they are: on this machine, in Cloud Storage, on the web, or where Beam reads."""

from __future__ import annotations

import contextlib
import glob
import hashlib
import importlib
import os
import posixpath
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import IO, Protocol, cast

from transforms.errors import MissingExtraError, UserError, clause
from transforms.storage import local
from transforms.storage.content import Content, Reserve


class _Files(Protocol):
    """The functions of a module for one kind of storage."""

    def require_access(self, path: str) -> None: ...
    def read(self, path: str, *, max_bytes: int, reserve: Reserve) -> Content: ...
    def open_read(self, path: str) -> IO[bytes]: ...
    def open_versioned(self, path: str) -> tuple[IO[bytes], str | None]: ...
    def read_bytes(self, path: str) -> bytes: ...
    def create(self, path: str) -> IO[bytes]: ...
    def exists(self, path: str) -> bool: ...
    def changed(self, path: str) -> float | None: ...
    def names(self, folder: str) -> list[str]: ...
    def folders(self, folder: str, *, prefix: str) -> list[str]: ...
    def move(self, pairs: Sequence[tuple[str, str]]) -> None: ...
    def delete(self, paths: Sequence[str]) -> None: ...
    def delete_tree(self, folder: str) -> None: ...
    def replace_tree(self, new: str, old: str) -> None: ...


class _Versioned(Protocol):
    """What storage offers besides that writes only over a version that is known."""

    def claim(self, path: str, content: bytes, *, version: str | None) -> bool: ...
    def delete_version(self, path: str, *, version: str | None) -> None: ...
    def find(self, path: str) -> tuple[int, str] | None: ...


def is_local(path: str) -> bool:
    """Whether the path names a file of this machine rather than `scheme://...`."""
    return "://" not in path


def is_gcs(path: str) -> bool:
    """Whether the path is in Cloud Storage."""
    return path.startswith("gs://")


def is_http(path: str) -> bool:
    """Whether the path is the address of a web server."""
    return path[:8].lower().startswith(("http://", "https://"))


def tells_versions(path: str) -> bool:
    """Whether the storage of a path tells a version of each file, as in `ImageRef`.

    Most web servers do; where one does not, the picture counts as one of which nothing is known.
    """
    return is_local(path) or path.startswith(_CONDITIONAL) or is_http(path)


_CONDITIONAL = ("gs://", "s3://")
"""Storage that writes only over a version that is known."""


def _files(path: str) -> _Files:
    if is_local(path):
        return local
    if is_http(path):
        return _module("http")
    if not is_gcs(path):
        return _module("beam_files")
    try:
        return _module("gcs")
    except ImportError as error:
        raise MissingExtraError("gs:// needs an extra: pip install 'quantlabel[gcp]'") from error


def _module(name: str) -> _Files:
    """Loaded when it is needed: Beam and Google's packages take seconds."""
    return cast("_Files", importlib.import_module(f"transforms.storage.{name}"))


def join(folder: str, name: str) -> str:
    """A file of a folder."""
    return posixpath.join(folder, name)


def require_access(path: str, *, what: str) -> None:
    """Stops at once where the storage of a path cannot be used at all. Local paths always pass.

    Args:
        path: of an input or output.
        what: it is for the user, for the beginning of the message.

    Raises:
        UserError: no credentials, no such bucket, no permission, no network, or an extra is
            missing.
    """
    with explained(path, what=what):
        _files(path).require_access(path)


@contextlib.contextmanager
def explained(path: str, *, what: str) -> Iterator[None]:
    """Tells the user what is wrong with a storage, and the cure.

    Args:
        path: of a file, folder or bucket.
        what: it is for the user, for the beginning of the message.

    Raises:
        UserError: the body has raised an `OSError`.
    """
    try:
        yield
    except OSError as error:
        cure = "Check that it is there and that you may use it."
        if is_gcs(path):
            cure = next(cure for kind, cure in _CURES.items() if isinstance(error, kind))
        raise UserError(f"{what}: {clause(error.strerror or error)}. {cure}") from error


# The first that fits; every error is an OSError.
_CURES: Mapping[type[OSError], str] = {
    FileNotFoundError: "Check the name; a bucket has to be there before the run.",
    PermissionError: (
        "Give your account a role on the bucket (roles/storage.objectViewer to read, "
        "roles/storage.objectUser to write), or log in as another: "
        "gcloud auth application-default login"
    ),
    OSError: "Check the network and try again.",
}


def create(path: str) -> IO[bytes]:
    """Opens a new file for writing, its folders made as needed, nothing compressed on the way.

    It appears under its name when it is closed, and is on the disk by then; not if the body of the
    `with` statement raises an error.
    """
    return _files(path).create(path)


def write_bytes(path: str, content: bytes) -> None:
    """Writes a whole file; whoever reads at any moment sees all of the old or all of the new."""
    with create(path) as file:
        file.write(content)


def claim(path: str, content: bytes, *, version: str | None) -> bool:
    """Writes a whole file if nobody has written it since it was `version` (None: there was none).

    Only Cloud Storage and S3 can tell; elsewhere the last one wins.

    Returns:
        Whether it was written.
    """
    if path.startswith(_CONDITIONAL):
        return cast("_Versioned", _files(path)).claim(path, content, version=version)
    write_bytes(path, content)
    return True


def delete_version(path: str, *, version: str | None) -> None:
    """Deletes a file if it is still `version`; see `claim` for where that can be told."""
    if path.startswith(_CONDITIONAL):
        cast("_Versioned", _files(path)).delete_version(path, version=version)
    else:
        delete([path])


def read(path: str, *, max_bytes: int, reserve: Reserve = lambda _: None) -> Content:
    """Reads a picture.

    Args:
        path: of a file or object.
        max_bytes: larger ones are refused, before they are read.
        reserve: called before the bytes of the picture are read; may block.

    Raises:
        OSError: it is missing, not a regular file, not readable or too large (EFBIG), or the
            storage has failed for a minute.
        UserError: no picture can be read there, for want of credentials or of a package.
    """
    return _files(path).read(path, max_bytes=max_bytes, reserve=reserve)


def open_read(path: str) -> IO[bytes]:
    """Opens a file for reading; only what its storage calls encoded by gzip is unpacked on the way.

    The stream is seekable and holds some megabytes at most.

    Raises:
        FileNotFoundError: there is none.
        OSError: it cannot be read, or is not a regular file (a pipe would block for ever).
    """
    return _files(path).open_read(path)


def open_briefly(path: str) -> IO[bytes]:
    """As `open_read`, but many can be read side by side: a local file is not open between reads."""
    return local.open_briefly(path) if is_local(path) else open_read(path)


def open_versioned(path: str) -> tuple[IO[bytes], str | None]:
    """As `open_read`, with the version as in `ImageRef`; None where the storage tells none.

    Raises:
        OSError: as `open_read`.
    """
    return _files(path).open_versioned(path)


def find(path: str) -> tuple[int, str] | None:
    """Bytes and version of what is in Cloud Storage, S3 or on the web; None if there is none.

    Raises:
        OSError: the storage cannot be asked.
    """
    return cast("_Versioned", _files(path)).find(path)


def read_bytes(path: str) -> bytes:
    """Reads a whole file.

    Raises:
        FileNotFoundError: there is none.
        OSError: it cannot be read.
    """
    return _files(path).read_bytes(path)


def exists(path: str) -> bool:
    """Whether a file is there."""
    return _files(path).exists(path)


def changed(path: str) -> float | None:
    """When what is there came to be there, in seconds since 1970 UTC; None if nobody can tell.

    Raises:
        OSError: the storage cannot be asked.
    """
    return _files(path).changed(path)


def names(folder: str) -> list[str]:
    """Names of the files and folders in a folder, sorted; of none if there is no such folder."""
    return _files(folder).names(folder)


def folders(folder: str, *, prefix: str) -> list[str]:
    """Names of the folders in a folder that begin with `prefix` and hold a file, sorted."""
    return _files(folder).folders(folder, prefix=prefix)


def move(pairs: Sequence[tuple[str, str]]) -> None:
    """Renames files within one file system; a file that stood there is replaced."""
    if pairs:
        _files(pairs[0][0]).move(pairs)


def delete(paths: Sequence[str]) -> None:
    """Deletes files of one file system; those that are gone already do not matter."""
    if paths:
        _files(paths[0]).delete(paths)


def delete_tree(folder: str) -> None:
    """Deletes a folder and what it holds, if it is there."""
    _files(folder).delete_tree(folder)


def fresh_folder(folder: str, *, prefix: str) -> str:
    """A folder in another that nobody uses, not made yet; deletes those of programs that died.

    Args:
        folder: that it will be in.
        prefix: of its name, for programs of which one at a time works in `folder`.
    """
    for name in folders(folder, prefix=prefix):
        delete_tree(join(folder, name))
    return join(folder, f"{prefix}{uuid.uuid4().hex[:12]}")


def replace_tree(new: str, old: str) -> None:
    """Puts a folder in the place of another, which need not exist.

    On this machine whoever looks sees the one or the other. In a bucket objects come one by one.
    """
    _files(new).replace_tree(new, old)


_CHUNK = 1024 * 1024


def digest(path: str) -> tuple[int, str]:
    """Size in bytes and sha256 of a file, read piece by piece.

    Raises:
        FileNotFoundError: there is none.
    """
    sha256, size = hashlib.sha256(), 0
    with open_read(path) as file:
        while chunk := file.read(_CHUNK):
            sha256.update(chunk)
            size += len(chunk)
    return size, sha256.hexdigest()


def absolute(source: str) -> str:
    """An input as it reads from any folder; what is no relative path stays as it is."""
    if not is_local(source) or os.path.isabs(source):
        return source
    is_pattern = glob.has_magic(source) and not os.path.lexists(source)
    # Brackets in the names of the folders above are no part of the pattern.
    above = glob.escape(os.getcwd()) if is_pattern else os.getcwd()
    return os.path.normpath(os.path.join(above, source))
