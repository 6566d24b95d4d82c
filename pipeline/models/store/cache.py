"""The place of a published model in the cache: one file, one record of what it must be.

A file gets its name only after it was verified, by an atomic rename, under a lock for each name,
and the record before the model. So a kill at any moment leaves a good entry, no entry, or a record
that the next run completes; rubbish is left under a temporary name only, which nothing reads and
the next run writes over.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import hashlib
import json
import logging
from collections.abc import Iterator
from pathlib import Path

from pipeline.models.store.archive import check_identifier
from transforms.errors import UserError
from transforms.storage import files

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Pin:
    """Published hashes of a model.

    Attributes:
        sha256: of the tflite, lower-case hex.
        archive_sha256: of the official archive that carries it, lower-case hex.
    """

    sha256: str
    archive_sha256: str


@dataclasses.dataclass(frozen=True)
class StoredModel:
    """A tflite as it was published or given, not yet looked into, and what identifies it.

    Attributes:
        name: the published name, or the name of the file without its suffix.
        tflite: the whole file.
        sha256: of `tflite`, lower-case hex.
        archive_sha256: of the archive that `tflite` came in, or None: it came alone, or was
            placed in the cache by hand.
        source: the path, or the URL without its query string, where the bytes first came from.
        path: the cached file or the local file; None for what was read from gs:// or a URL.
    """

    name: str
    tflite: bytes = dataclasses.field(repr=False)
    sha256: str
    archive_sha256: str | None
    source: str
    path: Path | None


@dataclasses.dataclass(frozen=True)
class _Record:
    """The content of `NAME.json`; the fields are those of `StoredModel`."""

    sha256: str
    archive_sha256: str | None
    source: str


@dataclasses.dataclass(frozen=True)
class Slot:
    """The place of one published name in the cache.

    Attributes:
        name: the published name.
        folder: the folder of models; need not exist.
        pin: the published hashes, or None where nobody has published them.
    """

    name: str
    folder: Path
    pin: Pin | None

    @property
    def model(self) -> Path:
        """The cached tflite."""
        return self.folder / f"{self.name}.tflite"

    @property
    def record(self) -> Path:
        """What is known about it: hashes and source, as JSON."""
        return self.folder / f"{self.name}.json"

    def expected(self) -> str | None:
        """The sha256 that the tflite must have, by pin or record; None if nothing says so yet.

        Raises:
            UserError: the record cannot be read.
        """
        if self.pin:
            return self.pin.sha256
        record = _read_record(self.record)
        return record.sha256 if record else None

    def load(self) -> StoredModel | None:
        """The cached tflite; None if there is none or it is damaged. Writes nothing.

        Raises:
            UserError: it was placed there by hand and is not the published one or no tflite, or
                something cannot be read.
        """
        # In this order, because the record is written before the model: what is read of another
        # process's work is a model with its record, or a model that counts as placed by hand.
        record = _read_record(self.record)
        expected = self.expected()
        try:
            tflite = self.model.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _unreadable(self.model, error) from error
        sha256 = hashlib.sha256(tflite).hexdigest()
        if expected not in (None, sha256):
            if record is None:
                raise self._another_export(sha256)
            _log.warning("%s is damaged, its sha256 is not %s: not used", self.model, expected)
            return None
        check_identifier(tflite, what=str(self.model))
        record = record or _Record(sha256, archive_sha256=None, source=str(self.model))
        return StoredModel(
            self.name, tflite, sha256, record.archive_sha256, record.source, self.model
        )

    def keep(self, stored: StoredModel) -> None:
        """Stores a verified download; needs `locked()`."""
        self.keep_record(stored)
        files.write_bytes(str(self.model), stored.tflite)

    def keep_record(self, stored: StoredModel) -> None:
        """Stores what the tflite must be from now on; needs `locked()`."""
        record = _Record(stored.sha256, stored.archive_sha256, stored.source)
        content = json.dumps(dataclasses.asdict(record), indent=2).encode()
        files.write_bytes(str(self.record), content)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """One process, or thread, at a time. The kernel takes the lock from a process that dies.

        Raises:
            UserError: the folder cannot be made or written to.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with (self.folder / f".{self.name}.lock").open("wb") as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    _log.warning("waiting for another process that is fetching %s", self.name)
                    fcntl.flock(lock, fcntl.LOCK_EX)
                yield
        except OSError as error:
            raise UserError(
                f"cannot use the cache folder {self.folder}: {error.strerror}; set "
                "QUANTLABEL_CACHE to a folder that can be written to, or pass --model PATH"
            ) from error

    def _another_export(self, sha256: str) -> UserError:
        return UserError(
            f"{self.model} was placed there by hand and is not the published {self.name}: its "
            f"sha256 is {sha256}, not {self.expected()}. To use it, move it elsewhere and pass it "
            "as --model PATH; or delete it, and the published one is downloaded"
        )


def _read_record(path: Path) -> _Record | None:
    try:
        return _Record(**json.loads(path.read_bytes()))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unreadable(path, error) from error
    except (ValueError, TypeError) as error:
        raise UserError(
            f"{path}, the record of a cached model, is damaged ({error}); delete it and the model "
            "beside it to download both again"
        ) from error


def _unreadable(path: Path, error: OSError) -> UserError:
    return UserError(
        f"cannot read {path}: {error.strerror}; set QUANTLABEL_CACHE to a folder that can be read, "
        "or pass --model PATH"
    )
