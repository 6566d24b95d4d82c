"""What else Beam reaches (s3://, hdfs://), with the functions of `transforms.storage.files`."""

from __future__ import annotations

import contextlib
import errno
import importlib
import importlib.util
import posixpath
import re
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import IO, Any, cast

from apache_beam.io.aws.clients.s3.messages import S3ClientError
from apache_beam.io.filesystem import BeamIOError, CompressionTypes
from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import PipelineOptions

from transforms import beam_internals
from transforms.errors import MissingExtraError
from transforms.storage.content import Content, Reserve, require_at_most

# Scheme to what has to be installed for it, and a module that comes with that.
_EXTRAS = {
    "s3": ("quantlabel[aws]", "boto3"),
    "azfs": ("apache-beam[azure]", "azure"),
    "hdfs": ("apache-beam[hadoop]", "hdfs"),
}

_SCHEME = re.compile("[a-zA-Z][a-zA-Z0-9+.-]*")


def require_access(path: str) -> None:
    """Stops where nothing that is installed knows the scheme, or S3 does not let us in.

    Raises:
        MissingExtraError: an extra has to be installed, the message says which.
        UserError: S3 has no credentials.
        OSError: EPROTONOSUPPORT, nothing does; or there is no such bucket, no permission, no
            network.
    """
    _require_known(path)
    if _is_s3(path):
        _s3().require_bucket(path)


def _is_s3(path: str) -> bool:
    return path.startswith("s3://")


def _s3() -> ModuleType:
    """Loaded when it is needed: boto3 comes with an extra. Beam's flags are there from here on."""
    _require_options()
    return importlib.import_module("transforms.storage.s3")


def _require_known(path: str) -> None:
    scheme = path.partition("://")[0]
    extra, module = _EXTRAS.get(scheme, ("", ""))
    if extra and importlib.util.find_spec(module) is None:
        raise MissingExtraError(f"{scheme}:// needs an extra: pip install '{extra}'")
    # Perhaps Beam was imported without them, to start sooner.
    beam_internals.load_file_systems()
    try:
        if _SCHEME.fullmatch(scheme) is None:  # Beam would look for a file of this machine
            raise ValueError(scheme)
        FileSystems.get_filesystem(path)
    except ValueError as error:
        raise OSError(
            errno.EPROTONOSUPPORT,
            f"expected a local path, gs://, s3:// or, to read, http(s)://, not {scheme}://",
        ) from error


def _require_options() -> None:
    """S3 does not work in Beam without options, which only a pipeline gives."""
    if beam_internals.file_system_flags() is None:
        FileSystems.set_options(PipelineOptions([]))


@contextlib.contextmanager
def _beam(path: str) -> Iterator[Any]:
    """Beam's file systems, with the errors of S3 as `OSError`s of the kinds that others have."""
    _require_options()
    try:
        yield FileSystems
    except (S3ClientError, BeamIOError) as error:
        causes = (error, *(getattr(error, "exception_details", None) or {}).values())
        for cause in causes:
            if isinstance(cause, S3ClientError):
                raise _s3().status_error(cause.code, path, str(cause.message)) from error
        raise


def read(path: str, *, max_bytes: int, reserve: Reserve) -> Content:
    """Reads a picture."""
    _require_known(path)
    if _is_s3(path):
        return cast("Content", _s3().read(path, max_bytes=max_bytes, reserve=reserve))
    reserve(max_bytes)  # what Beam opens does not say how long it is
    with open_read(path) as file:
        data = file.read(max_bytes + 1)
    require_at_most(max_bytes, len(data), path)
    return Content(data, None)


def open_versioned(path: str) -> tuple[IO[bytes], str | None]:
    """As `open_read`; of Beam's file systems only S3 tells a version, and we ask it ourselves."""
    if _is_s3(path):
        return cast("tuple[IO[bytes], str]", _s3().open_versioned(path))
    return open_read(path), None


def open_read(path: str) -> IO[bytes]:
    """Opens a file for reading as it is, nothing decompressed on the way."""
    if _is_s3(path):
        return open_versioned(path)[0]
    with _beam(path) as beam:
        if not beam.exists(path):
            raise FileNotFoundError(errno.ENOENT, "no such file", path)
        file = beam.open(path, compression_type=CompressionTypes.UNCOMPRESSED)
    return cast("IO[bytes]", file)


def read_bytes(path: str) -> bytes:
    """Reads a whole file."""
    with _beam(path), open_read(path) as file:
        return file.read()


def create(path: str) -> IO[bytes]:
    """Opens a new file for writing, nothing compressed on the way."""
    if _is_s3(path):
        return cast("IO[bytes]", _s3().Writer(path))
    with _beam(path) as beam:
        file = beam.create(path, compression_type=CompressionTypes.UNCOMPRESSED)
    return cast("IO[bytes]", file)


def claim(path: str, content: bytes, *, version: str | None) -> bool:
    """As `transforms.storage.s3.claim`, for s3:// only."""
    return cast("bool", _s3().claim(path, content, version=version))


def delete_version(path: str, *, version: str | None) -> None:
    """As `transforms.storage.s3.delete_version`, for s3:// only."""
    _s3().delete_version(path, version=version)


def find(path: str) -> tuple[int, str] | None:
    """As `transforms.storage.s3.find`, for s3:// only."""
    return cast("tuple[int, str] | None", _s3().find(path))


def exists(path: str) -> bool:
    """Whether a file is there."""
    if _is_s3(path):  # Beam asks for ten minutes where S3 fails
        return find(path) is not None
    with _beam(path) as beam:
        return cast("bool", beam.exists(path))


def changed(path: str) -> float | None:
    """When a file was written, where the file system tells."""
    if _is_s3(path):
        return cast("float | None", _s3().changed(path))
    with _beam(path) as beam:
        found = beam.match([path])[0].metadata_list
    return found[0].last_updated_in_seconds or None if found else None


def match(pattern: str) -> list[tuple[str, int]]:
    """Path and bytes of every file that a pattern of Beam matches (`**` crosses folders)."""
    with _beam(pattern) as beam:
        found = beam.match([pattern])[0].metadata_list
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
    with _beam(sources[0]) as beam:
        beam.rename(list(sources), list(targets))


def delete(paths: Sequence[str]) -> None:
    """Deletes files; those that are gone already do not matter."""
    # Beam fails where one of them is not there.
    if present := [path for path in paths if exists(path)]:
        with _beam(present[0]) as beam:
            beam.delete(present)


def delete_tree(folder: str) -> None:
    """Deletes every file of a folder."""
    if found := match(posixpath.join(folder, "**")):
        with _beam(folder) as beam:
            beam.delete([path for path, _ in found])


def replace_tree(new: str, old: str) -> None:
    """Deletes the files of one folder and moves those of another into it."""
    delete_tree(old)
    inside = posixpath.join(new, "")
    found = [path for path, _ in match(f"{inside}**")]
    if found:
        move([(path, posixpath.join(old, path[len(inside) :])) for path in found])
