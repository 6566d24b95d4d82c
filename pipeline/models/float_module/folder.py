"""A SavedModel's folder as bytes: what identifies it and what travels to workers. No tensorflow."""

from __future__ import annotations

import enum
import hashlib
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from transforms.errors import UserError

SAVED_MODEL: Final = "saved_model.pb"
HUB_MODULE: Final = "tfhub_module.pb"
_KERAS: Final = (".keras", ".h5", ".hdf5")
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip archive can name


class Kind(enum.Enum):
    """What a path holds."""

    SAVED_MODEL = "TensorFlow 2 SavedModel"
    HUB_MODULE = "TF1-format hub module"
    CHECKPOINT = "TF-Slim checkpoint"
    KERAS = "Keras model"


def kind_of(path: Path) -> Kind | None:
    """What a local path holds, by the names of the files there; None for a tflite or nothing."""
    if path.suffix in _KERAS and path.is_file():
        return Kind.KERAS
    if (path / SAVED_MODEL).is_file():
        return Kind.HUB_MODULE if (path / HUB_MODULE).is_file() else Kind.SAVED_MODEL
    if checkpoint_prefix(path) is not None:
        return Kind.CHECKPOINT
    return None


def checkpoint_prefix(path: Path) -> Path | None:
    """The prefix of a checkpoint, given it or one of its files (`.index`, `.data-...`, `.meta`)."""
    if not path.name:  # a root, or the folder that the program runs in
        return None
    for prefix in (path, path.with_suffix("")):
        if prefix.with_name(f"{prefix.name}.index").is_file():
            return prefix
    return None


def sha256(folder: Path) -> str:
    r"""Identifies the content of a folder wherever it lies.

    Returns:
        SHA-256, hex, of the lines `HASH  RELATIVE/PATH\n` in order of the paths' bytes. In the
        folder, `find . -type f -printf '%P\n' | LC_ALL=C sort | xargs sha256sum | sha256sum`
        prints the same.

    Raises:
        UserError: A file cannot be read.
    """
    lines = (f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in _files(folder))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def require_sha256(folder: Path, found: str, wanted: str | None) -> None:
    """Holds a folder to the hash that its user gave, if any.

    Raises:
        UserError: it has another one.
    """
    if wanted not in (None, found):
        raise UserError(
            f"{folder} has sha256 {found} over all its files, not {wanted} as --sha256 asks; check "
            "where it comes from"
        )


def archive(folder: Path) -> bytes:
    """The folder as a compressed zip archive, the same bytes for the same content.

    Raises:
        UserError: A file cannot be read.
    """
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as files:
        for name, content in _files(folder):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            files.writestr(entry, content)
    return stream.getvalue()


def size(folder: Path) -> int:
    """Bytes of all files.

    Raises:
        UserError: A file cannot be read.
    """
    return sum(len(content) for _, content in _files(folder))


def _files(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Relative path, with slashes, and content of every file, in order of the path."""
    try:
        found = {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_file()}
        # By bytes, as LC_ALL=C sorts: the hash must not depend on a language.
        for name in sorted(found, key=str.encode):
            yield name, found[name].read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {folder}: {error.strerror}") from error
