"""One run to a folder: who is writing there, and whether that run still lives.

`_RUNNING.json` names host, process and start of the run, and a counter that grows while it lives.
On this machine the operating system holds a lock on the file for as long as the process exists: a
dead run's lock is free at once, and the number of its process may long belong to another. Of a run
on another machine only the counter tells: it is watched before the folder changes hands.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import json
import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.run.folder.manifest import read_manifest
from transforms.errors import UserError
from transforms.storage import files

NAME = "_RUNNING.json"

BEAT_SECONDS = 10.0
WATCH_SECONDS = 45.0
"""Without a beat for so long, a run on another machine is taken for dead."""


_PADDED = 512
"""Bytes of the local file: always as many, so that nobody reads half of what is being written."""


@contextlib.contextmanager
def held(folder: str, *, started: str, runner: str | None = None) -> Iterator[None]:
    """Keeps other runs out of a folder while the body runs.

    Args:
        folder: of the outputs, made if it does not exist.
        started: when this run did.
        runner: name of the service on which the run goes on if this process dies, or None.

    Raises:
        UserError: another run is writing there, or nothing can be written there.
    """
    host, process = socket.gethostname(), os.getpid()
    holder = {"host": host, "pid": process, "started": started, "runner": runner, "beats": 0}
    lock: _LocalLock | _RemoteLock
    lock = _LocalLock(folder) if files.is_local(folder) else _RemoteLock(folder)
    with files.explained(folder, what=f"--output {folder}: nothing can be written there"):
        lock.acquire(holder)
    try:
        with _beating(lock, holder):
            yield
    finally:
        lock.release()


@contextlib.contextmanager
def _beating(lock: _LocalLock | _RemoteLock, holder: Mapping[str, Any]) -> Iterator[None]:
    stop = threading.Event()

    def beat() -> None:
        for beats in itertools.count(1):
            if stop.wait(BEAT_SECONDS):
                return
            # A beat that cannot be written is missed: others wait for several of them.
            with contextlib.suppress(OSError):
                lock.write({**holder, "beats": beats})

    thread = threading.Thread(target=beat, name="lock", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


class _LocalLock:
    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._path = files.join(folder, NAME)

    def acquire(self, holder: Mapping[str, Any]) -> None:
        os.makedirs(self._folder, exist_ok=True)
        locked = self._open()
        there = _parsed(os.pread(self._file, _PADDED, 0))
        dead = locked and there.get("host") == holder["host"]
        try:
            _require_over(self._folder, self._path, there, dead=dead)
        except UserError:
            os.close(self._file)
            raise
        self.write(holder)

    def _open(self) -> bool:
        """Opens and locks the file; False where the file system has no locks."""
        while True:
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o666)
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                there = _parsed(os.pread(self._file, _PADDED, 0))
                os.close(self._file)
                raise _busy(self._folder, self._path, there) from error
            except OSError:
                return False
            if os.path.exists(self._path) and os.path.samestat(
                os.fstat(self._file), os.stat(self._path)
            ):
                return True
            os.close(self._file)  # a run ended between our two steps and took the file with it

    def write(self, holder: Mapping[str, Any]) -> None:
        os.pwrite(self._file, _line(holder).ljust(_PADDED), 0)

    def release(self) -> None:
        _delete(self._path)
        os.close(self._file)


class _RemoteLock:
    """The same without a lock of the system.

    In Cloud Storage only one of several can replace the file that all have seen. Elsewhere two runs
    that start in the same second both get in.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._path = files.join(folder, NAME)

    def acquire(self, holder: Mapping[str, Any]) -> None:
        content, version = _seen(self._path)
        _require_over(self._folder, self._path, _parsed(content), dead=False)
        if not files.claim(self._path, _line(holder), version=version):
            raise _busy(self._folder, self._path, _parsed(_content(self._path)))

    def write(self, holder: Mapping[str, Any]) -> None:
        files.write_bytes(self._path, _line(holder))

    def release(self) -> None:
        _delete(self._path)


def _delete(path: str) -> None:
    # Where nothing can be written any more, that error must not hide the one that the run ended
    # with; what stays of a dead run is in nobody's way.
    with contextlib.suppress(OSError):
        files.delete([path])


def _line(holder: Mapping[str, Any]) -> bytes:
    return json.dumps(holder).encode("ascii")


def _seen(path: str) -> tuple[bytes, str | None]:
    """Content and version; neither if there is no such file."""
    try:
        file, version = files.open_versioned(path)
        with file:
            return file.read(), version
    except FileNotFoundError:
        return b"", None


def _content(path: str) -> bytes:
    return _seen(path)[0]


def _parsed(content: bytes) -> dict[str, Any]:
    if not content.strip(b" \0"):  # nobody has written yet
        return {}
    holder: dict[str, Any] = json.loads(content)
    return holder


def _require_over(folder: str, path: str, there: Mapping[str, Any], *, dead: bool) -> None:
    """Refuses a folder that a living run has. Unless its process is `dead`, its beats tell."""
    if not there or _has_finished(folder, there):
        return
    # A job on a service goes on without the process that started it.
    if there["runner"] or not (dead or _is_silent(path, there)):
        raise _busy(folder, path, there)


def _is_silent(path: str, there: Mapping[str, Any]) -> bool:
    until = time.monotonic() + WATCH_SECONDS
    while time.monotonic() < until:
        if _parsed(_content(path)).get("beats") != there["beats"]:
            return False
        time.sleep(min(1.0, WATCH_SECONDS / 20))
    return True


def _has_finished(folder: str, there: Mapping[str, Any]) -> bool:
    try:
        return read_manifest(folder).started == str(there["started"])
    except (FileNotFoundError, UserError):
        return False


def _busy(folder: str, path: str, there: Mapping[str, Any]) -> UserError:
    job = f" as a job on {there['runner']}" if there.get("runner") else ""
    return UserError(
        f"--output {folder}: another run is writing there{job}, host {there.get('host', '?')}, "
        f"process {there.get('pid', '?')}, started {there.get('started', '?')}. Wait for its end "
        f"or choose another folder. If you know that it is dead, delete {path}."
    )
