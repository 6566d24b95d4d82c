"""Hub modules: an address, an archive or a folder -> a folder with the module.

Addresses are those of the published family, `.../quantops/classification/VERSION` on tfhub.dev and
what kaggle.com calls it since: whatever has `quantops` in its path and ends in a number. They are
looked up in `$TFHUB_CACHE_DIR`, where `tensorflow_hub` keeps a module in a folder named by the
SHA-1 of its address, and then asked for as an archive, by the query that `tensorflow_hub` adds.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import tarfile
import tempfile
import urllib.parse
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

from pipeline.models.store.download import Limits, download
from transforms.errors import UserError
from transforms.storage.addresses import shown

_SAVED_MODEL: Final = "saved_model.pb"

_ADDRESS: Final = re.compile(r"https?://[^?#]*quantops[^?#]*/\d+/?")

_CACHE_VARIABLE: Final = "TFHUB_CACHE_DIR"

_COMPRESSED: Final = ("tf-hub-format", "compressed")

_ARCHIVES: Final = (".tar", ".tar.gz", ".tgz")

_MOST_FILES: Final = 1000

_DAMAGED: Final = (tarfile.TarError, EOFError, zlib.error, ValueError)


@contextlib.contextmanager
def module_folder(model: str, *, limits: Limits | None = None) -> Iterator[Path | None]:
    """The folder of a module while it is in use; None of what is no module.

    Args:
        model: an address of the family, or the path of a tar archive or folder of a module.
        limits: time-outs, retries and sizes; default `Limits()`.

    Raises:
        UserError: it cannot be had, or is damaged.
    """
    limits = limits or Limits()
    if is_address(model):
        kept = _kept(model)
        if kept is not None:
            yield kept
            return
        with tempfile.TemporaryFile() as file, _temporary_folder() as folder:
            download(_compressed(model), file, limits=limits, cure=_cure(model))
            file.seek(0)
            found = _unpacked(file, folder, what=shown(model), limits=limits)
            with _called(shown(model), found):
                yield found
        return
    path = Path(model).expanduser()
    if "://" not in model and path.name.endswith(_ARCHIVES) and _holds_module(path):
        with path.open("rb") as file, _temporary_folder() as folder:
            found = _unpacked(file, folder, what=model, limits=limits)
            with _called(model, found):
                yield found
        return
    yield path if (path / _SAVED_MODEL).is_file() else None


@contextlib.contextmanager
def _called(name: str, folder: Path) -> Iterator[None]:
    """Names a module as its user does in messages, and not the temporary folder where it lies."""
    try:
        yield
    except UserError as error:
        raise type(error)(str(error).replace(str(folder), name)) from error


def is_address(model: str) -> bool:
    """Whether a text is an address of the published family of modules."""
    return _ADDRESS.fullmatch(model) is not None


def _kept(address: str) -> Path | None:
    """Where `tensorflow_hub` has put the module, if it has."""
    cache = os.environ.get(_CACHE_VARIABLE)
    if not cache:
        return None
    folder = Path(cache).expanduser() / _key(address)
    return folder if (folder / _SAVED_MODEL).is_file() else None


def _key(address: str) -> str:
    return hashlib.sha1(address.encode(), usedforsecurity=False).hexdigest()


def _compressed(address: str) -> str:
    parts = urllib.parse.urlsplit(address)
    return urllib.parse.urlunsplit(parts._replace(query=urllib.parse.urlencode([_COMPRESSED])))


def _cure(address: str) -> str:
    return (
        "without a network pass --model FOLDER of the module, or its .tar.gz, or place the module "
        f"at {_CACHE_VARIABLE}/{_key(address)}"
    )


def _holds_module(path: Path) -> bool:
    """Whether an archive holds a module; an unreadable one is left to who expects a tflite."""
    if not path.is_file():  # opening a pipe would block for ever
        return False
    try:
        with tarfile.open(path) as archive:
            names = (entry.name for entry, _ in zip(archive, range(_MOST_FILES), strict=False))
            return any(Path(name).name == _SAVED_MODEL for name in names)
    except (*_DAMAGED, OSError):
        return False


@contextlib.contextmanager
def _temporary_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="quantlabel-module-") as folder:
        yield Path(folder)


def _unpacked(file: IO[bytes], folder: Path, *, what: str, limits: Limits) -> Path:
    """Unpacks an archive; returns the folder in it that holds the module."""
    size = 0
    try:
        with tarfile.open(fileobj=file, mode="r:*") as archive:
            for number, entry in enumerate(archive):
                size += entry.size
                if number == _MOST_FILES or size > limits.max_archive_bytes:
                    raise UserError(f"{what} is too large for a module; check where it comes from")
                archive.extract(entry, folder, filter="data")
    except _DAMAGED as error:
        raise UserError(f"{what} is no archive of a module ({error}); fetch it again") from error
    found = sorted(path.parent for path in folder.rglob(_SAVED_MODEL))
    if not found:
        raise UserError(f"{what} holds no {_SAVED_MODEL}, so no module; check where it comes from")
    return found[0]
