"""Where the cache keeps the tflites that were made of hub modules.

`module_SHA256_tensorflow_VERSION.tflite`: the hash is that over the files of the module, the
version that of the TensorFlow whose converter made it. Beside it lies a record, as of published
models. If what the converter makes says other things than the module, there is a `.txt` with the
reason in its place.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import re
from pathlib import Path
from typing import NamedTuple

from pipeline.models.store.cache import Slot, StoredModel
from pipeline.models.store.store import models_folder
from transforms.errors import UserError
from transforms.storage import files


class Conversion(NamedTuple):
    """What became of a module.

    Attributes:
        tflite: to run in place of its graph, or None.
        reason: why there is none; else how it was made, if it was made just now.
    """

    tflite: bytes | None
    reason: str = ""


def find(sha256: str) -> Conversion | None:
    """What is known of a module; None if nothing is. Writes nothing.

    Where tensorflow is not installed, what the newest version of it has made will do.

    Args:
        sha256: over all files of the module.

    Raises:
        UserError: a file cannot be read, or is no tflite.
    """
    for place in _slots(sha256):
        found = read(place)
        if found is not None:
            return found
    return None


def read(place: Slot) -> Conversion | None:
    """The same of one place."""
    stored = place.load()
    if stored is not None:
        return Conversion(stored.tflite)
    try:
        return Conversion(None, _refusal(place).read_text("utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read {_refusal(place)}: {error}; delete it") from error


def slot(sha256: str, version: str) -> Slot:
    """The place of what a version of tensorflow makes of a module."""
    return Slot(f"{_prefix(sha256)}{version}", models_folder(), pin=None)


def keep(place: Slot, tflite: bytes, *, source: str) -> None:
    """Keeps a tflite that was compared with its module; needs `place.locked()`."""
    digest = hashlib.sha256(tflite).hexdigest()
    place.keep(StoredModel(place.name, tflite, digest, None, source, place.model))


def refuse(place: Slot, reason: str) -> None:
    """Keeps that what the converter makes is not used; needs `place.locked()`."""
    files.write_bytes(str(_refusal(place)), reason.encode())


def _slots(sha256: str) -> list[Slot]:
    try:
        return [slot(sha256, importlib.metadata.version("tensorflow"))]
    except importlib.metadata.PackageNotFoundError:
        prefix = _prefix(sha256)
        found = models_folder().glob(f"{prefix}*.tflite")
        versions = [path.stem.removeprefix(prefix) for path in found]
        return [slot(sha256, version) for version in sorted(versions, key=_numbers, reverse=True)]


def _numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version)]


def _prefix(sha256: str) -> str:
    return f"module_{sha256}_tensorflow_"


def _refusal(place: Slot) -> Path:
    return place.folder / f"{place.name}.txt"
