"""Flink's processes on this machine: JobManager, TaskManagers and Beam's job server."""

from __future__ import annotations

import urllib.error
from pathlib import Path
from typing import Any

from deploy.jars import jars
from deploy.local_cluster import LocalCluster, free_ports, listens

SLOTS = 2
"""Tasks that a TaskManager can run at a time; they share one Python process.

A job has as many tasks as there are TaskManagers, so it goes on when one of them is lost."""

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


class Cluster(LocalCluster):
    """A JobManager, TaskManagers and Beam's job server; each TaskManager starts a Python worker.

    Args:
        folder: as of `LocalCluster`.
        task_managers: how many, each with `SLOTS` slots.
    """

    def __init__(self, folder: Path, *, task_managers: int = 2) -> None:
        super().__init__(folder)
        self._task_managers = task_managers

    @property
    def beam_flags(self) -> list[str]:
        """What `quantlabel label` needs to run here."""
        return [
            "--runner=FlinkRunner",
            *self._portable_flags(self._job),
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
        self._kill(f"taskmanager-{number}")

    def _start_all(self) -> None:
        self._classpath = str(jars(Path(__file__).parent) / "*")
        self._rpc, self._rest, self._job = free_ports(3)
        _write_settings(self._folder, rpc=self._rpc, rest=self._rest)
        flink = "org.apache.flink.runtime"
        settings = ("--configDir", str(self._folder))
        master = f"{flink}.entrypoint.StandaloneSessionClusterEntrypoint"
        self._start_flink("jobmanager", master, *settings, "--executionMode", "cluster")
        for number in range(self._task_managers):
            worker = f"{flink}.taskexecutor.TaskManagerRunner"
            self._start_flink(f"taskmanager-{number}", worker, *settings)
        self._start_job_server()
        self._await("TaskManagers", self._all_registered)
        self._await("job server", lambda: listens(self._job))

    def _start_flink(self, name: str, main: str, *arguments: str) -> None:
        memory = ("-Xmx512m", "-XX:MaxDirectMemorySize=768m")  # network buffers are direct memory
        self._start_java(name, [*memory, "-cp", self._classpath, main, *arguments], opened=_OPENED)

    def _start_job_server(self) -> None:
        self._start_flink(
            "jobserver",
            "org.apache.beam.runners.flink.FlinkJobServerDriver",
            f"--flink-master=localhost:{self._rest}",
            f"--flink-conf-dir={self._folder}",
            "--job-host=localhost",
            f"--job-port={self._job}",
            "--artifact-port=0",
            "--expansion-port=0",
            f"--artifacts-dir={self._folder / 'artifacts'}",
        )

    def _all_registered(self) -> bool:
        try:
            return bool(self._ask("overview")["taskmanagers"] == self._task_managers)
        except (urllib.error.URLError, ConnectionError):
            return False  # the JobManager is not up yet


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
