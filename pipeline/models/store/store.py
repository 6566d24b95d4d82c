"""Model store: a name, a path, gs:// or a URL -> the bytes of a tflite whose sha256 is known.

What is trusted, and why:

- A published name is downloaded as its official archive. Where the hashes are published (`PINS`),
  archive and tflite must have them. For the other names the first download over https is trusted,
  its sha256 is recorded beside the cached file, and every later one is held to that record.
- A path, a gs:// object or a URL is whatever its owner put there: it is read afresh each time,
  never cached, and identified by its sha256. The caller's `sha256` pins it.

The cache is the folder `models` in `$QUANTLABEL_CACHE`, or else in `quantlabel` in the user's cache
folder. It holds `NAME.tflite` and `NAME.json`; see `pipeline.models.store.cache`.
"""

from __future__ import annotations

import contextlib
import difflib
import hashlib
import os
import re
import tempfile
import types
import urllib.parse
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO

import platformdirs

from pipeline.models.store.archive import not_published, unpack
from pipeline.models.store.cache import Pin, Slot, StoredModel
from pipeline.models.store.download import (
    Limits,
    check_size,
    check_url,
    download,
    temporary_file_error,
    write,
)
from pipeline.models.tflite.architecture import MULTIPLIERS, SIZES
from transforms.errors import UsageError, UserError
from transforms.storage import files
from transforms.storage.addresses import shown

__all__ = [
    "OFFICIAL_URL",
    "PINS",
    "Limits",
    "Pin",
    "StoredModel",
    "cache_path",
    "cached",
    "model_names",
    "resolve",
]

OFFICIAL_URL = (
    "https://storage.googleapis.com/download.tensorflow.org/models/mobilenet_v1_2018_08_02"
)
"""The publisher's folder of archives, one `NAME.tgz` for each of `model_names()`."""

PINS: Mapping[str, Pin] = types.MappingProxyType(
    {
        "mobilenet_v1_0.25_128_quant": Pin(
            sha256="3799e7cdb3ec44beacaf47ef5c884111c919e51bb50b34ac836244b08d4b953b",
            archive_sha256="40230cd1a429a20cfd648f08f72b6d554ca8f4bff838341cb8210bd167962c0e",
        )
    }
)
"""The official archives whose hashes are known; nobody has published those of the other names."""

_CACHE_VARIABLE = "QUANTLABEL_CACHE"
_BASE_URL_VARIABLE = "QUANTLABEL_MODEL_BASE_URL"
_SUFFIXES = (".tflite", ".tgz", ".tar.gz")
_CHUNK_BYTES = 1 << 20


def model_names() -> tuple[str, ...]:
    """The 16 published names, `mobilenet_v1_{multiplier}_{input size in pixels}_quant`."""
    return tuple(
        f"mobilenet_v1_{multiplier}_{size}_quant" for multiplier in MULTIPLIERS for size in SIZES
    )


def cache_path(name: str, *, cache_dir: Path | None = None) -> Path:
    """Where the tflite called `name` is cached, or can be placed by hand.

    Args:
        name: one of `model_names()`.
        cache_dir: the folder that holds `models`; default: `$QUANTLABEL_CACHE`, or else
            `quantlabel` in the user's cache folder (`$XDG_CACHE_HOME` or `~/.cache` on Linux).

    Raises:
        UsageError: the name is unknown.
    """
    return _slot(name, cache_dir=cache_dir, pins=PINS).model


def cached(
    name: str, *, cache_dir: Path | None = None, pins: Mapping[str, Pin] = PINS
) -> StoredModel | None:
    """The cached model called `name`, verified; None when there is none or it is damaged.

    Touches no network and writes nothing. Arguments as in `resolve`.

    Raises:
        UserError: the file was placed there by hand and cannot be this model, or something cannot
            be read.
        UsageError: the name is unknown.
    """
    return _slot(name, cache_dir=cache_dir, pins=pins).load()


def resolve(
    model: str,
    *,
    sha256: str | None = None,
    cache_dir: Path | None = None,
    base_url: str | None = None,
    pins: Mapping[str, Pin] = PINS,
    limits: Limits | None = None,
) -> StoredModel:
    """Finds a model, downloads it where necessary, and verifies it.

    A name of `model_names()` always means the published model, also where a file is called so.

    Args:
        model: a published name, a path, gs://BUCKET/OBJECT or https://HOST/PATH (http:// for this
            machine only). Behind the last three is a tflite, or a gzipped tar archive that holds
            exactly one; they are told apart by content.
        sha256: hash that the model must have, hex: of the tflite or, just as good, of the archive
            that it came in, which is what `sha256sum` prints for a downloaded archive.
        cache_dir: as in `cache_path`.
        base_url: folder of archives to use instead of `OFFICIAL_URL`; default:
            `$QUANTLABEL_MODEL_BASE_URL` where set (a mirror for machines without internet).
        pins: hashes that names must have.
        limits: time-outs, retries and sizes; default `Limits()`.

    Raises:
        UserError: the model cannot be had, is no tflite, or has another hash than the one that
            is published, recorded or asked for. Nothing of it is left in the cache.
        UsageError: `model` or `sha256` is malformed, unknown or refused.
    """
    limits = limits or Limits()
    wanted = None if sha256 is None else _digest(sha256)
    # Before any look at files: a name means the same everywhere.
    if model in model_names():
        base = base_url or os.environ.get(_BASE_URL_VARIABLE) or OFFICIAL_URL
        slot = _slot(model, cache_dir=cache_dir, pins=pins)
        return _named(slot, url=_archive_url(base, model), sha256=wanted, limits=limits)
    stored = _remote(model, limits) if "://" in model else _local(model, limits)
    _require(stored, wanted, cure="check where both come from")
    return stored


# ---- published names ------------------------------------------------------------------------


def _slot(name: str, *, cache_dir: Path | None, pins: Mapping[str, Pin]) -> Slot:
    if name not in model_names():
        raise _unknown(name)
    return Slot(name, models_folder(cache_dir), pins.get(name))


def models_folder(cache_dir: Path | None = None) -> Path:
    """Where models are cached; `cache_dir` as in `cache_path`."""
    default = os.environ.get(_CACHE_VARIABLE) or platformdirs.user_cache_path("quantlabel")
    return Path(cache_dir or default) / "models"


def _named(slot: Slot, *, url: str, sha256: str | None, limits: Limits) -> StoredModel:
    if slot.pin and sha256 not in (None, slot.pin.sha256, slot.pin.archive_sha256):
        raise UserError(
            f"{slot.name} is published with sha256 {slot.pin.sha256}, not {sha256} as --sha256 "
            "asks; pass another export of it by its path or URL"
        )
    wanted = None if slot.pin else sha256  # what is pinned was compared just now
    # Without the lock first: a cache that nobody may write to, as in a container image, works too.
    stored = slot.load()
    if stored is None or slot.expected() is None:
        stored = _add(slot, url=url, sha256=wanted, limits=limits)
    _require(stored, wanted, cure=f"delete {slot.model} and {slot.record} to download it again")
    return stored


def _add(slot: Slot, *, url: str, sha256: str | None, limits: Limits) -> StoredModel:
    """Downloads the model, or records one placed by hand, unless another process just did."""
    with slot.locked():
        stored = slot.load()
        if stored is None:
            stored = _fetch(slot, url=url, limits=limits)
            _require(stored, sha256, cure="it was not kept; check where both come from")
            slot.keep(stored)
        elif slot.expected() is None:
            _require(stored, sha256, cure=f"delete {slot.model} to download it")
            slot.keep_record(stored)
        return stored


def _fetch(slot: Slot, *, url: str, limits: Limits) -> StoredModel:
    """Downloads the archive and takes out the tflite, held to pin or record."""
    with _temporary_file() as file:
        download(url, file, limits=limits, cure=_offline_cure(slot))
        tflite, archive = unpack(
            file,
            what=shown(url),
            limits=limits,
            member=f"{slot.name}.tflite",
            archive_sha256=slot.pin.archive_sha256 if slot.pin else None,
        )
    sha256 = hashlib.sha256(tflite).hexdigest()
    expected = slot.expected()
    if expected not in (None, sha256):
        raise (
            not_published(f"the tflite in {shown(url)}", sha256, slot.pin.sha256)
            if slot.pin
            else _changed(slot, url, sha256)
        )
    return StoredModel(slot.name, tflite, sha256, archive, source=shown(url), path=slot.model)


def _offline_cure(slot: Slot) -> str:
    damaged = f"the cached {slot.model} is damaged and not used; " if slot.model.exists() else ""
    return (
        f"{damaged}without a network pass --model PATH, or place the tflite at {slot.model}; "
        f"{_BASE_URL_VARIABLE} names a mirror"
    )


def _changed(slot: Slot, url: str, sha256: str) -> UserError:
    return UserError(
        f"the tflite in {shown(url)} has sha256 {sha256}, but the first one, recorded in "
        f"{slot.record}, had {slot.expected()}; it was not kept. If you know that the change is "
        "right, delete that record; else pass --model PATH"
    )


def _archive_url(base: str, name: str) -> str:
    """`base` may carry a query, as the signed URL of a mirror does; it stays at the end."""
    check_url(base)
    parts = urllib.parse.urlsplit(base)
    return urllib.parse.urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{name}.tgz"))


# ---- paths, gs:// and URLs ------------------------------------------------------------------


def _local(model: str, limits: Limits) -> StoredModel:
    path = Path(model).expanduser()
    try:
        if not path.is_file():
            raise _no_file(model, path)
        with path.open("rb") as file:
            tflite, archive = unpack(file, what=model, limits=limits)
    except OSError as error:
        raise UserError(f"cannot read {model}: {error.strerror}") from error
    sha256 = hashlib.sha256(tflite).hexdigest()
    return StoredModel(_stem(path.name), tflite, sha256, archive, source=str(path), path=path)


def _no_file(model: str, path: Path) -> UserError:
    if model and path.exists():
        return UserError(f"{model} is not a file; pass a .tflite, or a .tgz that holds one")
    if "/" not in model and not model.endswith(_SUFFIXES):
        return _unknown(model)
    name = _stem(path.name)
    hint = f"; --model {name}, without folder and suffix, downloads it"
    return UserError(f"there is no file {model}{hint if name in model_names() else ''}")


def _remote(model: str, limits: Limits) -> StoredModel:
    scheme = model.partition("://")[0]
    if scheme not in ("gs", "http", "https"):
        raise UsageError(f"{scheme}:// is not supported; pass a name, a path, gs:// or https://")
    with _temporary_file() as file:
        if scheme == "gs":
            what = model
            _copy_from_storage(model, file, limits)
        else:
            cure = "check the URL, or download it by other means and pass --model PATH"
            download(model, file, limits=limits, cure=cure)
            what = shown(model)
        tflite, archive = unpack(file, what=what, limits=limits)
    name = _stem(urllib.parse.unquote(what.rpartition("/")[2])) or what
    sha256 = hashlib.sha256(tflite).hexdigest()
    return StoredModel(name, tflite, sha256, archive, source=what, path=None)


def _copy_from_storage(uri: str, sink: IO[bytes], limits: Limits) -> None:
    if not re.fullmatch("gs://[^/]+/.+", uri):
        raise UsageError(f"malformed path {uri!r}; expected gs://BUCKET/OBJECT")
    what = f"cannot read {uri}"
    files.require_access(uri, what=what)
    with files.explained(uri, what=what), files.open_read(uri) as source:
        while chunk := source.read(_CHUNK_BYTES):
            check_size(sink.tell() + len(chunk), limits, what=uri)
            write(sink, chunk)


@contextlib.contextmanager
def _temporary_file() -> Iterator[IO[bytes]]:
    """A file without a name: a kill leaves nothing behind."""
    try:
        with tempfile.TemporaryFile() as file:
            yield file
    except OSError as error:
        raise temporary_file_error(error) from error


# ---- names and hashes -----------------------------------------------------------------------


def _digest(sha256: str) -> str:
    if not re.fullmatch("[0-9a-fA-F]{64}", sha256):
        raise UsageError(f"--sha256 {sha256!r}: expected 64 hexadecimal digits")
    return sha256.lower()


def _require(stored: StoredModel, sha256: str | None, *, cure: str) -> None:
    """Holds a model to the hash that the caller gave, if any."""
    if sha256 in (None, stored.sha256, stored.archive_sha256):
        return
    archive = f" (its archive {stored.archive_sha256})" if stored.archive_sha256 else ""
    raise UserError(
        f"{stored.source} has sha256 {stored.sha256}{archive}, not {sha256} as --sha256 asks; "
        f"{cure}"
    )


def _unknown(name: str) -> UsageError:
    close = difflib.get_close_matches(name, model_names())
    hint = f"did you mean {' or '.join(close)}? " if close else ""
    return UsageError(
        f"unknown model {name!r}: {hint}Expected one of {', '.join(model_names())}, or the path of "
        "a .tflite or .tgz, or gs:// or https://"
    )


def _stem(filename: str) -> str:
    """The name without the suffix; names hold dots of their own."""
    for suffix in _SUFFIXES:
        filename = filename.removesuffix(suffix)
    return filename
