"""Jobs for Dataflow without Dataflow: their description, and their graph run to its end."""

from __future__ import annotations

import collections
import json
import signal
import subprocess
import sys
import threading
import time
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from apache_beam.runners.dataflow import dataflow_runner

from deploy.emulator import BUCKET, Cloud
from pipeline.cli import main
from pipeline.console import progress_bar
from pipeline.run.runners import dataflow
from pipeline.run.runners.dataflow import image_tag
from tests.helpers.dataflow_service import JOB, Service, run_service
from tests.helpers.finished_runs import write_run
from tests.helpers.head_runs import MODEL, head_rows

IMAGE = f"us-docker.pkg.dev/test-project/quantlabel/worker:{image_tag()}"


@pytest.fixture(autouse=True)
def _credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of nobody: without any, Google's packages ask the network for a minute."""
    path = tmp_path / "credentials.json"
    fields = ("client_id", "client_secret", "refresh_token", "token")
    secrets = dict.fromkeys(fields, "none")
    expiry = {"type": "authorized_user", "expiry": "2099-01-01T00:00:00Z"}
    path.write_text(json.dumps(secrets | expiry), "utf-8")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "test-project")


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beam asks how a job stands every five seconds, and so do we for its counters."""
    clock = types.SimpleNamespace(time=time.time, sleep=lambda _: time.sleep(0.1))
    monkeypatch.setattr(dataflow_runner, "time", clock)
    monkeypatch.setattr(dataflow, "_ASK_SECONDS", 0.2)
    monkeypatch.setattr(progress_bar, "_LINE_SECONDS", 0.2)


@pytest.fixture
def bucket(cloud: Cloud, photos: Path) -> Cloud:
    """A bucket with ten pictures and a broken one."""
    for path in photos.iterdir():
        cloud.put(f"photos/{path.name}", path.read_bytes())
    cloud.put("photos/half.jpg", (photos / "000000.jpg").read_bytes()[:500])
    return cloud


@pytest.fixture
def service() -> Iterator[Service]:
    with run_service() as running:
        yield running


_ON_DATAFLOW = (
    "--runner=DataflowRunner",
    "--project=test-project",
    "--region=us-central1",
    f"--temp_location=gs://{BUCKET}/tmp",
    f"--sdk_container_image={IMAGE}",
)


def _words(model: Path, *more: str) -> list[str]:
    paths = (f"--input=gs://{BUCKET}/photos", f"--output=gs://{BUCKET}/labels")
    return ["label", *paths, f"--model={model}", *_ON_DATAFLOW, *more]


def _command(*words: str) -> list[str]:
    return [sys.executable, "-m", "pipeline", *words]


def test_a_template_describes_the_workers(
    bucket: Cloud, stand_in_file: Path, tmp_path: Path
) -> None:
    template = tmp_path / "template.json"
    flags = ["--worker_machine_type=e2-standard-2", "--max_num_workers=7", "--labels=team=vision"]
    words = _words(stand_in_file, f"--template_location={template}", *flags)
    assert main([*words, "--quiet"]) == 0
    job = json.loads(template.read_text("utf-8"))
    (pool,) = job["environment"]["workerPools"]
    assert pool["machineType"] == "e2-standard-2"
    assert pool["numThreadsPerWorker"] == 2
    assert pool["autoscalingSettings"]["maxNumWorkers"] == 7
    assert {image["containerImage"] for image in pool["sdkHarnessContainerImages"]} == {IMAGE}
    assert job["labels"] == {"team": "vision"}
    assert {"use_runner_v2", "beam_fn_api"} <= set(job["environment"]["experiments"])
    options = job["environment"]["sdkPipelineOptions"]["options"]
    assert options["number_of_worker_harness_threads"] == 2
    # The code is in the image: nothing else is staged, and a worker installs nothing.
    (staged,) = bucket.names("tmp/")
    assert options["pipelineUrl"] == f"gs://{BUCKET}/{staged}"
    assert staged.endswith("/pipeline.pb")


def _rows(folder: Path) -> list[dict[str, Any]]:
    tables = [pq.read_table(path) for path in sorted(folder.glob("predictions-*.parquet"))]
    rows: list[dict[str, Any]] = pa.concat_tables(tables).to_pylist()
    return sorted(rows, key=lambda row: str(row["uri"]))


def _fetch(cloud: Cloud, prefix: str, folder: Path) -> Path:
    folder.mkdir()
    for name in cloud.names(prefix):
        (folder / name.rsplit("/", 1)[1]).write_bytes(cloud.content(name))
    return folder


def test_the_submitted_graph_gives_the_rows_of_a_local_run(
    bucket: Cloud, service: Service, stand_in_file: Path, tmp_path: Path
) -> None:
    words = _words(stand_in_file, f"--dataflow_endpoint={service.url}")
    done = subprocess.run(_command(*words), capture_output=True, text=True, timeout=90)
    assert done.returncode == 0, done.stderr
    page = f"https://console.cloud.google.com/dataflow/jobs/us-central1/{JOB}?project=test-project"
    announced, *shown = done.stderr.splitlines()
    assert announced == f"Submitted {JOB}: {page}"
    assert all(" pictures" in line for line in shown)  # a slow machine shows progress
    sums: collections.Counter[str] = collections.Counter()
    for name, value in service.counters:
        sums[name] += value
    assert sums == {"listed": 11, "labelled": 10, "failed": 1, "unread": 0}
    local = ["label", "--quiet", f"--input=gs://{BUCKET}/photos", f"--model={stand_in_file}"]
    assert main([*local, f"--output={tmp_path / 'local'}"]) == 0
    remote = _fetch(bucket, "labels/", tmp_path / "remote")
    assert len(_rows(remote)) == 10
    assert _rows(remote) == _rows(tmp_path / "local")
    local_failures = (tmp_path / "local").glob("__failures/f*")
    failed = [path.read_text() for path in (*remote.glob("f*"), *local_failures)]
    assert len(failed) == 2
    assert failed[0] == failed[1]
    assert "_SUCCESS" in {path.name for path in remote.iterdir()}
    assert len(service.jobs) == 1
    jobs = "/v1b3/projects/test-project/locations/us-central1/jobs"
    assert service.requests[0] == f"POST {jobs}"
    assert {f"GET {jobs}/{JOB}", f"GET {jobs}/{JOB}/messages"} <= set(service.requests)


def test_a_head_is_applied_there_as_here(
    bucket: Cloud, service: Service, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run(tmp_path / "labels", head_rows(12, kinds=3), rows_per_shard=6, model=MODEL)
    assert main(["head", "fit", str(tmp_path / "labels"), "--truth", "folders"]) == 0
    for path in (tmp_path / "labels").rglob("*"):
        if path.is_file():
            bucket.put(str(path.relative_to(tmp_path)), path.read_bytes())
    words = ["head", "apply", f"gs://{BUCKET}/labels", *_ON_DATAFLOW]
    capsys.readouterr()
    assert main([*words, f"--dataflow_endpoint={service.url}"]) == 0
    assert "ant (4), bee (4), cat (4)" in capsys.readouterr().out
    assert main(["head", "apply", str(tmp_path / "labels")]) == 0
    remote = _fetch(bucket, "labels/__head/", tmp_path / "remote")
    assert len(_rows(remote)) == 12
    assert _rows(remote) == _rows(tmp_path / "labels/__head")
    capsys.readouterr()
    assert main(["head", "apply", str(tmp_path / "labels"), *_ON_DATAFLOW]) == 2
    assert f"DIR {tmp_path}/labels: workers cannot reach" in capsys.readouterr().err


def _later(service: Service, *, state: str) -> None:
    """Ends the job, which has not run, once it was asked for its counters."""

    def end() -> None:
        while not any(request.endswith("/metrics") for request in service.requests):
            time.sleep(0.05)
        service.state = state

    service.runs = False
    threading.Thread(target=end, daemon=True).start()


@pytest.mark.parametrize(
    ("state", "said"),
    [("FAILED", "Workflow failed."), ("CANCELLED", "ended as CANCELLED"), ("UPDATED", "UPDATED")],
)
def test_counters_show_how_far_a_job_is_and_its_end_is_named(
    state: str,
    said: str,
    bucket: Cloud,
    service: Service,
    stand_in_file: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    service.counters = [("listed", 2000), ("listed", -500), ("labelled", 900), ("failed", 100)]
    _later(service, state=f"JOB_STATE_{state}")
    assert main(_words(stand_in_file, f"--dataflow_endpoint={service.url}")) == 1
    _, *lines, last = capfd.readouterr().err.splitlines()
    assert any(line.startswith("1,000 of 1,500 pictures, ") for line in lines)
    assert any(", 100 failed, " in line for line in lines)
    assert last.startswith("quantlabel: ")
    assert said in last
    assert "Traceback" not in last
    assert bucket.names("labels/_SUCCESS") == []


@pytest.mark.parametrize("state", ["CANCELLED", "FAILED"])
def test_a_job_that_ended_at_once_is_no_finished_run(
    bucket: Cloud,
    service: Service,
    stand_in_file: Path,
    capsys: pytest.CaptureFixture[str],
    state: str,
) -> None:
    service.runs, service.state = False, f"JOB_STATE_{state}"
    assert main(_words(stand_in_file, f"--dataflow_endpoint={service.url}", "--quiet")) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"quantlabel: the job has ended as {state}, not every picture")
    assert said.count("\n") == 1
    assert bucket.names("labels/_SUCCESS") == []


def test_a_failed_job_is_a_failed_run(
    bucket: Cloud, service: Service, stand_in_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    limit = "--max-failure-rate=0.01"
    assert main(_words(stand_in_file, f"--dataflow_endpoint={service.url}", "--quiet", limit)) == 1
    said = capsys.readouterr().err
    assert said.startswith("quantlabel: the run has failed: 1 of 11 pictures failed")
    assert said.count("\n") == 1
    assert bucket.names("labels/_SUCCESS") == []


def test_an_interrupt_cancels_the_job(bucket: Cloud, service: Service, stand_in_file: Path) -> None:
    service.runs = False
    words = _words(stand_in_file, f"--dataflow_endpoint={service.url}")
    with subprocess.Popen(_command(*words), stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("Submitted ")
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert service.state == "JOB_STATE_CANCELLED"
    assert "_SUCCESS" not in bucket.names("labels/")
