"""Flink's processes on this machine: JobManager, TaskManagers and Beam's job server."""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from deploy.flink.jars import classpath
from transforms.errors import UserError

SLOTS = 2
"""Tasks that a TaskManager can run at a time; they share one Python process.

A job has as many tasks as there are TaskManagers, so it goes on when one of them is lost."""

_START_SECONDS = 90.0
_LOG_LINES = 15

_OPENED = (
    "java.base/java.lang",
    "java.base/java.net",
    "java.base/java.nio",
    "java.base/java.text",
    "java.base/java.time",
    "java.base/java.util",
    "java.base/java.util.concurrent",
    "java.base/sun.nio.ch",
)
"""Packages of Java that Flink's serializers look into: part of `env.java.opts.all` in its
distribution, which says why each is there."""


class Cluster:
    """A JobManager, TaskManagers and Beam's job server; each TaskManager starts a Python worker.

    Every process is a real one, listens on a port that was free and logs to a file of its own. They
    end with the `with` block, whatever happens in it.

    Args:
        folder: for settings, logs and temporary files; it stays when the cluster is gone.
        task_managers: how many, each with `SLOTS` slots.

    Raises:
        UserError: Java or the jars cannot be had, or a process does not come up.
    """

    def __init__(self, folder: Path, *, task_managers: int = 2) -> None:
        self._folder = folder
        self._task_managers = task_managers
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Cluster:
        self._folder.mkdir(parents=True, exist_ok=True)
        jars = classpath()
        self._rpc, self._rest, self._job = _free_ports(3)
        _write_settings(self._folder, rpc=self._rpc, rest=self._rest)
        _write_worker(self._worker)
        try:
            self._start_all(jars)
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
    def beam_flags(self) -> list[str]:
        """What `quantlabel label` needs to run here."""
        return [
            "--runner=FlinkRunner",
            f"--job_endpoint=localhost:{self._job}",
            "--environment_type=PROCESS",
            f"--environment_config={json.dumps({'command': str(self._worker)})}",
            f"--parallelism={self._task_managers}",
        ]

    @property
    def address(self) -> str:
        """Of Flink's REST interface."""
        return f"http://localhost:{self._rest}"

    def jobs(self) -> list[dict[str, Any]]:
        """All jobs as Flink describes them, with `state`, newest last."""
        overview = self._ask("jobs/overview")["jobs"]
        return sorted(overview, key=lambda job: job["start-time"])

    def job(self, identity: str, what: str = "") -> dict[str, Any]:
        """What the REST interface says of a job; `what` is empty or, say, `/exceptions`."""
        return self._ask(f"jobs/{identity}{what}")

    def kill_task_manager(self, number: int) -> None:
        """Ends a TaskManager as a power cut would."""
        _kill(self._processes.pop(f"taskmanager-{number}"), signal.SIGKILL)

    def _ask(self, path: str) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self.address}/{path}", timeout=10) as response:
            answer: dict[str, Any] = json.load(response)
        return answer

    def _start_all(self, jars: str) -> None:
        flink = "org.apache.flink.runtime"
        settings = ("--configDir", str(self._folder))
        master = f"{flink}.entrypoint.StandaloneSessionClusterEntrypoint"
        self._start_java("jobmanager", jars, master, *settings, "--executionMode", "cluster")
        for number in range(self._task_managers):
            worker = f"{flink}.taskexecutor.TaskManagerRunner"
            self._start_java(f"taskmanager-{number}", jars, worker, *settings)
        self._start_job_server(jars)
        self._await("TaskManagers", self._all_registered)
        self._await("job server", lambda: _listens(self._job))

    def _start_java(self, name: str, jars: str, main: str, *arguments: str) -> None:
        opened = [f"--add-opens={package}=ALL-UNNAMED" for package in _OPENED]
        memory = ["-Xmx512m", "-XX:MaxDirectMemorySize=768m"]  # network buffers are direct memory
        command = ["java", *memory, "-XX:+UseSerialGC", *opened, "-cp", jars, main, *arguments]
        self._start(name, command)

    def _start_job_server(self, jars: str) -> None:
        self._start_java(
            "jobserver",
            jars,
            "org.apache.beam.runners.flink.FlinkJobServerDriver",
            f"--flink-master=localhost:{self._rest}",
            f"--flink-conf-dir={self._folder}",
            "--job-host=localhost",
            f"--job-port={self._job}",
            "--artifact-port=0",
            "--expansion-port=0",
            f"--artifacts-dir={self._folder / 'artifacts'}",
        )

    def _start(self, name: str, command: list[str]) -> None:
        with self._log(name).open("wb") as log:
            self._processes[name] = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def _worker(self) -> Path:
        return self._folder / "worker"

    def _log(self, name: str) -> Path:
        return self._folder / f"{name}.log"

    def _all_registered(self) -> bool:
        try:
            return bool(self._ask("overview")["taskmanagers"] == self._task_managers)
        except (urllib.error.URLError, ConnectionError):
            return False  # the JobManager is not up yet

    def _await(self, what: str, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while not holds():
            for name, process in self._processes.items():
                if process.poll() is not None:
                    raise UserError(f"{name} ended at its start:\n{self._last_lines(name)}")
            if time.monotonic() > deadline:
                raise UserError(f"{what}: not up after {_START_SECONDS:g} s; see {self._folder}")
            time.sleep(0.1)

    def _last_lines(self, name: str) -> str:
        lines = self._log(name).read_text("utf-8", errors="replace").splitlines()
        return "\n".join(lines[-_LOG_LINES:])

    def _stop_all(self) -> None:
        while self._processes:
            _, process = self._processes.popitem()
            _kill(process, signal.SIGTERM)


def _kill(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Ends a process and its children: each is the leader of a group."""
    if process.poll() is None:
        os.killpg(process.pid, number)
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _write_settings(folder: Path, *, rpc: int, rest: int) -> None:
    settings = {
        "jobmanager.rpc.address": "localhost",
        "jobmanager.bind-host": "localhost",
        "jobmanager.rpc.port": rpc,
        "jobmanager.memory.process.size": "512m",
        "rest.address": "localhost",
        "rest.bind-address": "localhost",
        "rest.port": rest,
        "taskmanager.host": "localhost",
        "taskmanager.bind-host": "localhost",
        "taskmanager.numberOfTaskSlots": SLOTS,
        # Work goes to both TaskManagers from the start, instead of filling one first.
        "taskmanager.load-balance.mode": "slots",
        # Flink's start scripts would work these out; without them every part has to be named.
        "taskmanager.cpu.cores": "1.0",
        "taskmanager.memory.framework.heap.size": "128m",
        "taskmanager.memory.framework.off-heap.size": "64m",
        "taskmanager.memory.task.heap.size": "256m",
        "taskmanager.memory.task.off-heap.size": "0m",
        "taskmanager.memory.managed.size": "128m",
        "taskmanager.memory.network.min": "512m",
        "taskmanager.memory.network.max": "512m",
        "taskmanager.memory.jvm-metaspace.size": "128m",
        "taskmanager.memory.jvm-overhead.min": "64m",
        "taskmanager.memory.jvm-overhead.max": "64m",
        # A TaskManager that is gone is given up after some seconds, not after a minute.
        "heartbeat.interval": 1000,
        "heartbeat.timeout": 8000,
        "restart-strategy.type": "fixed-delay",
        "restart-strategy.fixed-delay.attempts": 3,
        "restart-strategy.fixed-delay.delay": "1 s",
        "io.tmp.dirs": folder / "temporary",
    }
    text = "".join(f"{name}: {value}\n" for name, value in settings.items())
    (folder / "temporary").mkdir(exist_ok=True)
    (folder / "flink-conf.yaml").write_text(text, "utf-8")


def _write_worker(path: Path) -> None:
    """A program that Flink can start without knowing which Python has quantlabel."""
    words = [sys.executable, str(Path(__file__).with_name("worker.py"))]
    path.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n', "utf-8")
    path.chmod(0o755)


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("localhost", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("localhost", port), timeout=1).close()
    except OSError:
        return False
    return True
