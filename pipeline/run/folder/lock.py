"""One run to a folder: who is writing there, and whether that run still lives.

`_RUNNING.json` names host, process, start and attempt of the run, and a counter that grows while it
lives. On this machine the operating system holds a lock on the file for as long as the process
exists: a dead run's lock is free at once, and the number of its process may long belong to another.
Of a run on another machine only the counter tells: it is watched before the folder changes hands. A
run that was only asleep finds another's name in the file when it wakes, and stops.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import itertools
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.run.folder import owner
from pipeline.run.folder.manifest import read_manifest
from pipeline.run.folder.owner import NAME as NAME
from transforms.errors import UserError
from transforms.storage import files

BEAT_SECONDS = 10.0
WATCH_SECONDS = 45.0
"""Without a beat for so long, a run on another machine is taken for dead."""


# Bytes of the local file: always as many, so that nobody reads half of what is being written.
_PADDED = 512


@contextlib.contextmanager
def held(folder: str, *, attempt: str, started: str, runner: str | None = None) -> Iterator[None]:
    """Keeps other runs out of a folder while the body runs.

    Args:
        folder: of the outputs, made if it does not exist.
        attempt: folder of what this run has not finished, made or not.
        started: when this run did.
        runner: name of the service on which the run goes on if this process dies, or None.

    Raises:
        UserError: another run is writing there, or has taken the folder over meanwhile, or nothing
            can be written there.
    """
    host, process = socket.gethostname(), os.getpid()
    holder = {"host": host, "pid": process, "started": started, "runner": runner, "beats": 0}
    holder["attempt"] = owner.key(attempt)
    lock: _LocalLock | _RemoteLock
    lock = _LocalLock(folder) if files.is_local(folder) else _RemoteLock(folder)
    with files.explained(folder, what=f"--output {folder}: nothing can be written there"):
        lock.acquire(holder)
    try:
        with _beating(lock, holder):
            yield
    finally:
        # Where nothing can be written any more, that error must not hide the one that the run ended
        # with; what stays of a dead run is in nobody's way.
        with contextlib.suppress(OSError, UserError):
            lock.release(holder)


@contextlib.contextmanager
def _beating(lock: _LocalLock | _RemoteLock, holder: Mapping[str, Any]) -> Iterator[None]:
    stop = threading.Event()
    lost: list[UserError] = []
    # A job on a service goes on without this process, and looks for itself before it publishes.
    main_thread = threading.get_ident()
    may_stop = holder["runner"] is None and threading.current_thread() is threading.main_thread()

    def beat() -> None:
        for beats in itertools.count(1):
            if stop.wait(BEAT_SECONDS):
                return
            # A beat that cannot be written is missed: others wait for several of them.
            with contextlib.suppress(OSError):
                try:
                    lock.beat({**holder, "beats": beats})
                except UserError as error:
                    lost.append(error)
                    if may_stop:
                        # Nothing else stops Beam in the main thread; turned into the error below.
                        signal.pthread_kill(main_thread, _LOST)
                    return

    thread = threading.Thread(target=beat, name="lock", daemon=True)
    with _interrupted_by(_LOST, until=stop) if may_stop else contextlib.nullcontext():
        thread.start()
        try:
            yield
        except KeyboardInterrupt as error:
            if lost:
                raise lost[0] from error
            raise
        finally:
            stop.set()
            thread.join()


_LOST = signal.SIGUSR1
"""Wakes the main thread whatever it waits for, as a simulated Ctrl-C does not; and unlike Ctrl-C no
shell makes programs ignore it."""


@contextlib.contextmanager
def _interrupted_by(number: signal.Signals, *, until: threading.Event) -> Iterator[None]:
    """A signal raises `KeyboardInterrupt` in the main thread while the body runs."""

    def interrupt(*_: object) -> None:
        if not until.is_set():
            raise KeyboardInterrupt

    before = signal.signal(number, interrupt)
    try:
        yield
    finally:
        signal.signal(number, before)


class _LocalLock:
    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._path = files.join(folder, NAME)

    def acquire(self, holder: Mapping[str, Any]) -> None:
        os.makedirs(self._folder, exist_ok=True)
        locked = self._open()
        try:
            there = owner.parsed(self._path, self._read())
            dead = locked and there.get("host") == holder["host"]
            _require_over(self._folder, self._path, there, dead=dead)
        except UserError:
            os.close(self._file)
            raise
        try:
            self._write(holder)
        except OSError:  # a file that says nothing would be left on a disk that is full
            files.delete([self._path])
            os.close(self._file)
            raise

    def _open(self) -> bool:
        """Opens and locks the file; False where the file system has no locks."""
        while True:
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o666)
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                content = self._read()
                os.close(self._file)
                there = owner.parsed(self._path, content)
                raise _busy(self._folder, self._path, there) from error
            # Some network file systems; the beats have to do there.
            except OSError:
                return False
            # The lock is on what was opened, and that may have no name any more.
            if os.path.exists(self._path) and os.path.samestat(
                os.fstat(self._file), os.stat(self._path)
            ):
                return True
            os.close(self._file)  # a run ended between our two steps and took the file with it

    def beat(self, holder: Mapping[str, Any]) -> None:
        owner.require(self._folder, holder["attempt"], self._read())
        self._write(holder)

    def _read(self) -> bytes:
        return os.pread(self._file, _PADDED, 0)

    def _write(self, holder: Mapping[str, Any]) -> None:
        # In place: a new file of that name would not be the one that is locked.
        content = owner.encoded(holder).ljust(_PADDED)
        if os.pwrite(self._file, content, 0) != len(content):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self._path)

    def release(self, holder: Mapping[str, Any]) -> None:
        try:
            owner.require(self._folder, holder["attempt"], self._read())
            # Before it is closed: the lock must not be free while the file still names this run.
            files.delete([self._path])
        finally:
            os.close(self._file)


class _RemoteLock:
    """The same without a lock of the system.

    In Cloud Storage and S3 only one of several can replace the file that all have seen, and a run
    that has lost it neither writes nor deletes it again. Elsewhere two runs that start, or wake, in
    the same second both get in.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._path = files.join(folder, NAME)

    def acquire(self, holder: Mapping[str, Any]) -> None:
        content, version = owner.seen(self._path)
        there = owner.parsed(self._path, content)
        _require_over(self._folder, self._path, there, dead=False)
        if not files.claim(self._path, owner.encoded(holder), version=version):
            there = owner.parsed(self._path, owner.seen(self._path)[0])
            raise _busy(self._folder, self._path, there)

    def beat(self, holder: Mapping[str, Any]) -> None:
        owner.renew(self._folder, holder["attempt"])

    def release(self, holder: Mapping[str, Any]) -> None:
        content, version = owner.seen(self._path)
        if owner.require(self._folder, holder["attempt"], content):
            files.delete_version(self._path, version=version)


def _require_over(folder: str, path: str, there: Mapping[str, Any], *, dead: bool) -> None:
    """Refuses a folder that a living run has. Unless its process is `dead`, its beats tell."""
    if not there or _has_finished(folder, there):
        return
    # A job on a service goes on without the process that started it.
    alive = there if there["runner"] else None if dead else _heard(path, there)
    if alive is not None:
        raise _busy(folder, path, alive)


def _heard(path: str, there: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Whoever has written there meanwhile, this run or another; None if it stays silent."""
    until = time.monotonic() + WATCH_SECONDS
    while time.monotonic() < until:
        now = owner.parsed(path, owner.seen(path)[0])
        if now != there:
            return now or there  # that has ended at this moment
        # Often, so that a run which lives is found out soon.
        time.sleep(min(1.0, WATCH_SECONDS / 20))
    return None


def _has_finished(folder: str, there: Mapping[str, Any]) -> bool:
    try:
        return read_manifest(folder).started == str(there["started"])
    except (FileNotFoundError, UserError):
        return False


def _busy(folder: str, path: str, there: Mapping[str, Any]) -> UserError:
    return UserError(
        f"--output {folder}: another run is writing there{owner.described(there)}. Wait for its "
        f"end or choose another folder. If you know that it is dead, delete {path}."
    )
