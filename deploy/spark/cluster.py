"""Spark's processes on this machine: master, workers, executors and Beam's job server."""

from __future__ import annotations

import json
import os
import signal
import urllib.error
from pathlib import Path
from typing import Any

from deploy.jars import jars
from deploy.local_cluster import LocalCluster, free_ports, listens

_OPENED = (
    "java.base/java.io",
    "java.base/java.lang",
    "java.base/java.lang.invoke",
    "java.base/java.lang.reflect",
    "java.base/java.net",
    "java.base/java.nio",
    "java.base/java.util",
    "java.base/java.util.concurrent",
    "java.base/java.util.concurrent.atomic",
    "java.base/sun.nio.ch",
    "java.base/sun.nio.cs",
    "java.base/sun.security.action",
    "java.base/sun.util.calendar",
)
"""Packages of Java that Spark and its serializers look into: part of `JavaModuleOptions` in its
launcher, which gives executors the same."""

_EXECUTOR = "org.apache.spark.executor.CoarseGrainedExecutorBackend"


class Cluster(LocalCluster):
    """A standalone master, workers and Beam's job server, which is the driver of each job.

    A worker starts an executor for a job, with one core, and another one if that dies; the executor
    starts a Python worker.

    Args:
        folder: as of `LocalCluster`.
        workers: how many.
    """

    def __init__(self, folder: Path, *, workers: int = 2) -> None:
        super().__init__(folder)
        self._workers = workers

    @property
    def beam_flags(self) -> list[str]:
        """What `quantlabel label` needs to run here."""
        # Else each of the dozen stages starts a Python process of its own on each executor.
        cached = "--environment_cache_millis=60000"
        return ["--runner=SparkRunner", *self._portable_flags(self._job), cached]

    @property
    def address(self) -> str:
        """Of the master's page."""
        return f"http://localhost:{self._page}"

    def events(self) -> list[dict[str, Any]]:
        """What happened to executors and tasks, as Spark's event log has it, oldest first."""
        logs = sorted(self._events.iterdir(), key=lambda path: path.stat().st_mtime_ns)
        return [json.loads(line) for log in logs for line in log.read_text("utf-8").splitlines()]

    def kill_executor(self, worker: int) -> None:
        """Ends the executor of a worker as the kernel does when memory runs out."""
        (executor,) = _children(self._processes[f"worker-{worker}"].pid, running=_EXECUTOR)
        os.kill(executor, signal.SIGKILL)

    def _start_all(self) -> None:
        folder = jars(Path(__file__).parent)
        self._home = self._folder / "spark"
        self._home.mkdir(exist_ok=True)
        (self._home / "jars").symlink_to(folder)
        self._events.mkdir(exist_ok=True)
        self._port, self._page, self._job = free_ports(3)
        here = ("--host", "localhost")
        pages = ("--webui-port", str(self._page))
        self._start_spark("master", *here, "--port", str(self._port), *pages)
        self._await("master", lambda: listens(self._port) and listens(self._page))
        limits = ("--cores", "1", "--memory", "512m", "--webui-port", "0")
        for number in range(self._workers):
            folders = ("--work-dir", str(self._folder / f"work-{number}"))
            self._start_spark(f"worker-{number}", *here, *limits, *folders, self._master)
        self._start_job_server()
        self._await("workers", self._all_registered)
        self._await("job server", lambda: listens(self._job))

    def _start_spark(self, name: str, *arguments: str) -> None:
        kind = name.partition("-")[0]
        main = f"org.apache.spark.deploy.{kind}.{kind.title()}"
        self._start_spark_java(name, "-Xmx256m", main, *arguments)

    def _start_job_server(self) -> None:
        settings = {
            "spark.driver.host": "localhost",
            "spark.driver.bindAddress": "localhost",
            "spark.executor.cores": "1",
            "spark.executor.memory": "512m",
            "spark.executor.extraJavaOptions": "-XX:+UseSerialGC",
            "spark.ui.enabled": "false",
            "spark.eventLog.enabled": "true",
            "spark.eventLog.compress": "false",
            "spark.eventLog.dir": self._events.as_uri(),
        }
        self._start_spark_java(
            "jobserver",
            "-Xmx512m",
            *(f"-D{name}={value}" for name, value in settings.items()),
            "org.apache.beam.runners.spark.SparkJobServerDriver",
            f"--spark-master-url={self._master}",
            "--job-host=localhost",
            f"--job-port={self._job}",
            "--artifact-port=0",
            "--expansion-port=0",
            f"--artifacts-dir={self._folder / 'artifacts'}",
        )

    def _start_spark_java(self, name: str, *words: str) -> None:
        environment = {
            "SPARK_HOME": str(self._home),
            "SPARK_SCALA_VERSION": "2.12",
            "SPARK_LOCAL_HOSTNAME": "localhost",
            "SPARK_LOCAL_DIRS": str(self._folder / "temporary"),
        }
        classpath = str(self._home / "jars" / "*")
        self._start_java(name, ["-cp", classpath, *words], opened=_OPENED, environment=environment)

    @property
    def _master(self) -> str:
        return f"spark://localhost:{self._port}"

    @property
    def _events(self) -> Path:
        return self._folder / "events"

    def _all_registered(self) -> bool:
        try:
            return bool(self._ask("json/")["aliveworkers"] == self._workers)
        except (urllib.error.URLError, ConnectionError):
            return False  # the page is not up yet


def _children(parent: int, *, running: str) -> list[int]:
    """Processes that `parent` has started and that have a word among those of their command."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            # The name in parentheses may hold anything; after it come the state and the parent.
            parents = (folder / "stat").read_text().rpartition(")")[2].split()[1]
            words = (folder / "cmdline").read_text().split("\0")
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has ended
        if int(parents) == parent and running in words:
            found.append(int(folder.name))
    return found
