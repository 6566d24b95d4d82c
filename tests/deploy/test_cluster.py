"""The same rows on Flink and on Spark, on clusters that lose something, and on Prism."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from deploy import flink, spark
from deploy.prism import prism
from pipeline.cli import main

pytestmark = pytest.mark.cluster

PICTURES = 2_000
BROKEN = 7


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """2,000 pictures of a megapixel, so that a run lasts long enough to be disturbed; 7 broken."""
    folder = tmp_path_factory.mktemp("pictures")
    random = np.random.RandomState(0)
    for number in range(PICTURES):
        blocks = random.randint(0, 256, size=(8, 12, 3), dtype=np.uint8)
        pixels = blocks.repeat(100, axis=0).repeat(100, axis=1)
        Image.fromarray(pixels).save(folder / f"{number:06d}.jpg", quality=50)
    for number in range(0, PICTURES, PICTURES // BROKEN + 1):
        path = folder / f"{number:06d}.jpg"
        path.write_bytes(path.read_bytes()[:2_000])
    return folder


def _words(pictures: Path, output: Path, model: Path, *flags: str) -> list[str]:
    words = ["label", "--quiet", "--input", pictures, "--output", output, "--model", model]
    return [sys.executable, "-m", "pipeline", *map(str, words), *flags]


def _label(pictures: Path, output: Path, model: Path, *flags: str) -> None:
    command = _words(pictures, output, model, *flags)
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr


class Run:
    """What a finished run left in its folder."""

    def __init__(self, folder: Path) -> None:
        tables = [pq.read_table(path) for path in sorted(folder.glob("predictions-*.parquet"))]
        self.predictions: pa.Table = pa.concat_tables(tables).replace_schema_metadata()
        self.predictions = self.predictions.sort_by("uri").combine_chunks()
        lines = [
            line
            for path in folder.glob("__failures/failures-*.jsonl")
            for line in path.read_text("utf-8").splitlines()
        ]
        self.failures: list[dict[str, Any]] = sorted(
            (json.loads(line) for line in lines), key=lambda row: str(row["uri"])
        )
        self.manifest = json.loads((folder / "_MANIFEST.json").read_text("utf-8"))
        files = [path for path in folder.rglob("*") if path.is_file()]
        self.names = sorted(path.relative_to(folder).as_posix() for path in files)

    def assert_same_rows_as(self, other: Run) -> None:
        assert self.predictions.equals(other.predictions)
        assert self.failures == other.failures
        counts = ("inputs", "predictions", "failures", "most_frequent_labels", "status")
        assert [self.manifest[name] for name in counts] == [other.manifest[name] for name in counts]
        shards = [file["name"] for file in self.manifest["files"]]
        assert self.names == sorted(["_MANIFEST.json", "_SUCCESS", *shards])


@pytest.fixture(scope="module")
def direct(pictures: Path, stand_in_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The run that the others are compared with."""
    output = tmp_path_factory.mktemp("direct") / "out"
    _label(pictures, output, stand_in_file)
    run = Run(output)
    assert (run.predictions.num_rows, len(run.failures)) == (PICTURES - BROKEN, BROKEN)
    assert len(set(run.predictions["uri"].to_pylist())) == PICTURES - BROKEN
    return run


@pytest.fixture
def on_flink(tmp_path: Path) -> Iterator[flink.Cluster]:
    """A JobManager and two TaskManagers; pytest keeps their logs if the test fails."""
    with flink.Cluster(tmp_path / "flink") as started:
        yield started


@pytest.fixture
def on_spark(tmp_path: Path) -> Iterator[spark.Cluster]:
    """A master and two workers; pytest keeps their logs if the test fails."""
    with spark.Cluster(tmp_path / "spark") as started:
        yield started


def test_flink_gives_the_rows_of_the_direct_runner(
    on_flink: flink.Cluster, pictures: Path, stand_in_file: Path, direct: Run, tmp_path: Path
) -> None:
    _label(pictures, tmp_path / "out", stand_in_file, *on_flink.beam_flags)
    Run(tmp_path / "out").assert_same_rows_as(direct)
    (job,) = on_flink.jobs()
    assert job["state"] == "FINISHED"
    assert _tries(on_flink, job["jid"]) == 1
    assert _hosts(on_flink, job["jid"]) == 2


def _tries(on_flink: flink.Cluster, job: str) -> int:
    """How often the task that was tried most often was started."""
    return 1 + max(
        int(task["attempt"])
        for vertex in on_flink.job(job)["vertices"]
        for task in on_flink.job(job, f"/vertices/{vertex['id']}")["subtasks"]
    )


def _hosts(on_flink: flink.Cluster, job: str) -> int:
    """How many TaskManagers worked for it."""
    return len(
        {
            task["taskmanager-id"]
            for vertex in on_flink.job(job)["vertices"]
            for task in on_flink.job(job, f"/vertices/{vertex['id']}")["subtasks"]
        }
    )


def test_a_lost_machine_costs_no_row_and_doubles_none(
    on_flink: flink.Cluster, pictures: Path, stand_in_file: Path, direct: Run, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    command = _words(pictures, output, stand_in_file, *on_flink.beam_flags)
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        # Rows that no try will ever publish are on disk from here on.
        while not list(output.glob("_unfinished-*/predictions-*")):
            assert process.poll() is None
            time.sleep(0.02)
        on_flink.kill_task_manager(0)
        orphans = {path.name for path in output.glob("_unfinished-*/predictions-*")}
        (job,) = on_flink.jobs()
        assert job["state"] == "RUNNING"
        _, errors = process.communicate(timeout=600)
    assert process.returncode == 0, errors
    assert orphans
    assert _tries(on_flink, job["jid"]) > 1
    Run(output).assert_same_rows_as(direct)


def test_spark_gives_the_rows_of_the_direct_runner(
    on_spark: spark.Cluster, pictures: Path, stand_in_file: Path, direct: Run, tmp_path: Path
) -> None:
    _label(pictures, tmp_path / "out", stand_in_file, *on_spark.beam_flags)
    Run(tmp_path / "out").assert_same_rows_as(direct)
    _verify(tmp_path / "out")
    events = on_spark.events()
    assert _executors(events, "SparkListenerExecutorAdded") == {"0", "1"}
    ended = [event for event in events if event["Event"] == "SparkListenerTaskEnd"]
    assert {event["Task Info"]["Executor ID"] for event in ended} == {"0", "1"}
    assert {event["Task End Reason"]["Reason"] for event in ended} == {"Success"}


def _executors(events: list[dict[str, Any]], what: str) -> set[str]:
    return {event["Executor ID"] for event in events if event["Event"] == what}


def _verify(folder: Path) -> None:
    assert main(["verify", str(folder), "--sample", "20"]) == 0


def test_a_killed_executor_costs_no_row_and_doubles_none(
    on_spark: spark.Cluster, pictures: Path, stand_in_file: Path, direct: Run, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    command = _words(pictures, output, stand_in_file, *on_spark.beam_flags)
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        # Rows that no try will ever publish are on disk from here on.
        while not list(output.glob("_unfinished-*/predictions-*")):
            assert process.poll() is None
            time.sleep(0.02)
        on_spark.kill_executor(0)
        orphans = {path.name for path in output.glob("_unfinished-*/predictions-*")}
        _, errors = process.communicate(timeout=600)
    assert process.returncode == 0, errors
    assert orphans
    events = on_spark.events()
    assert len(_executors(events, "SparkListenerExecutorRemoved")) == 1
    assert len(_executors(events, "SparkListenerExecutorAdded")) == 3
    assert [
        event["Task End Reason"]["Reason"]
        for event in events
        if event["Event"] == "SparkListenerTaskEnd" and event["Task Info"]["Failed"]
    ] == ["ExecutorLostFailure"]
    Run(output).assert_same_rows_as(direct)
    _verify(output)


def test_prism_gives_the_rows_of_the_direct_runner(
    pictures: Path, stand_in_file: Path, direct: Run, tmp_path: Path
) -> None:
    flags = ("--runner=PrismRunner", f"--prism_location={prism()}")
    _label(pictures, tmp_path / "out", stand_in_file, *flags)
    Run(tmp_path / "out").assert_same_rows_as(direct)
