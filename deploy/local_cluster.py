"""What clusters on this machine have in common: processes, their logs, a Python worker, an end."""

from __future__ import annotations

import abc
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from transforms.errors import UserError

_START_SECONDS = 90.0
_LOG_LINES = 15


class LocalCluster(abc.ABC):
    """Processes of a cluster and Beam's job server for it; workers in Python are started by it.

    Every process is a real one, listens on a port that was free and logs to a file of its own. They
    end with the `with` block, whatever happens in it.

    Args:
        folder: for settings, logs and temporary files; it stays when the cluster is gone.

    Raises:
        UserError: Java or the jars cannot be had, or a process does not come up.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        _write_worker(self._worker)
        try:
            self._start_all()
        except BaseException:
            self._stop_all()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop_all()

    @property
    @abc.abstractmethod
    def beam_flags(self) -> list[str]:
        """What `quantlabel label` needs to run here."""

    @property
    @abc.abstractmethod
    def address(self) -> str:
        """Of the page where a browser sees what the cluster does."""

    @abc.abstractmethod
    def _start_all(self) -> None:
        """Starts all processes and waits until they are ready."""

    def _start_java(
        self,
        name: str,
        words: Sequence[str],
        *,
        opened: Sequence[str],
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Starts a process with an empty standard input; `opened` packages are open to all code."""
        flags = [f"--add-opens={package}=ALL-UNNAMED" for package in opened]
        with self._log(name).open("wb") as log:
            self._processes[name] = subprocess.Popen(
                ["java", "-XX:+UseSerialGC", *flags, *words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**os.environ, **(environment or {})},
            )

    def _await(self, what: str, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while not holds():
            for name, process in self._processes.items():
                if process.poll() is not None:
                    raise UserError(f"{name} ended at its start:\n{self._last_lines(name)}")
            if time.monotonic() > deadline:
                raise UserError(f"{what}: not up after {_START_SECONDS:g} s; see {self._folder}")
            time.sleep(0.1)

    def _ask(self, path: str) -> dict[str, Any]:
        """What the cluster answers a program."""
        with urllib.request.urlopen(f"{self.address}/{path}", timeout=10) as response:
            answer: dict[str, Any] = json.load(response)
        return answer

    @property
    def _worker(self) -> Path:
        """A program that the cluster can start without knowing which Python has quantlabel."""
        return self._folder / "worker"

    def _portable_flags(self, job_port: int) -> list[str]:
        return [
            f"--job_endpoint=localhost:{job_port}",
            "--environment_type=PROCESS",
            f"--environment_config={json.dumps({'command': str(self._worker)})}",
        ]

    def _log(self, name: str) -> Path:
        return self._folder / f"{name}.log"

    def _last_lines(self, name: str) -> str:
        lines = self._log(name).read_text("utf-8", errors="replace").splitlines()
        return "\n".join(lines[-_LOG_LINES:])

    def _kill(self, name: str) -> None:
        """Ends a process and its children as a power cut would."""
        _end(self._processes.pop(name), signal.SIGKILL)

    def _stop_all(self) -> None:
        while self._processes:
            _, process = self._processes.popitem()
            _end(process, signal.SIGTERM)


def _end(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Ends a process and its children: each is the leader of a group."""
    if process.poll() is None:
        os.killpg(process.pid, number)
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _write_worker(path: Path) -> None:
    # -P: the folders of deploy are no packages that a worker may import.
    words = [sys.executable, "-P", str(Path(__file__).with_name("worker.py"))]
    path.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n', "utf-8")
    path.chmod(0o755)


def free_ports(count: int) -> list[int]:
    """Ports of this machine that nobody listens on, all different."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("localhost", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def listens(port: int) -> bool:
    """Whether somebody answers on that port of this machine."""
    try:
        socket.create_connection(("localhost", port), timeout=1).close()
    except OSError:
        return False
    return True
