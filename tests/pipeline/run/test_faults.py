"""Runs that are disturbed end as runs that are not: one row for each picture, the same row.

Each says in its docstring which change of the code it was seen to fail with.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pytest

from benchmarks.process import descendants
from deploy.emulator import BUCKET, Cloud, Fault
from pipeline.cli import main
from pipeline.models.tflite.stand_in import stand_in
from pipeline.run.folder.finished import open_run
from tests.helpers.encoded import encoded, waves
from tests.helpers.pictures import make_pictures
from tests.helpers.runs import copy_pictures, start_label, wait_for_pieces

pytestmark = pytest.mark.slow

_PATIENCE_S = 120.0
_DISK = 4 * 1024 * 1024


class Rows(NamedTuple):
    """What a run says of its pictures, by uri."""

    predictions: dict[str, dict[str, Any]]
    failures: dict[str, dict[str, Any]]


class Collection(NamedTuple):
    """Pictures, a model, and what an undisturbed run makes of them.

    Attributes:
        seconds: how long that run took.
    """

    photos: Path
    model: Path
    rows: Rows
    seconds: float


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    folder = tmp_path_factory.mktemp("collection")
    photos, model = folder / "photos", folder / "model.tflite"
    _make_pictures(photos, count=1500)
    model.write_bytes(stand_in())
    start = time.monotonic()
    assert _finish(start_label(photos, folder / "out", model)) == ""
    return Collection(photos, model, rows_of(folder / "out"), time.monotonic() - start)


def _make_pictures(folder: Path, *, count: int) -> None:
    make_pictures(folder, count=10)
    copy_pictures(folder, count=count)
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "cut.png").write_bytes(encoded(waves(64, 64), "PNG")[:-100])


def rows_of(folder: Path | str) -> Rows:
    """All rows of a finished run that adds up and left nothing behind."""
    run = open_run(str(folder))
    rows = Rows(_by_uri(run.predictions()), _by_uri(run.failures()))
    counts = [run.manifest.predictions, run.manifest.failures]
    assert counts == [len(rows.predictions), len(rows.failures)]
    assert run.manifest.inputs == sum(counts)
    assert not rows.predictions.keys() & rows.failures.keys()
    if isinstance(folder, Path):
        rest = {path.name.split("-")[0] for path in folder.iterdir()}
        assert rest == {"_MANIFEST.json", "_SUCCESS", "predictions", "__failures"}
    return rows


def _by_uri(tables: Iterator[pa.Table]) -> dict[str, dict[str, Any]]:
    table = pa.concat_tables(tables)
    rows = {row["uri"]: row for row in table.to_pylist()}
    assert len(rows) == table.num_rows, "a picture has two rows"
    return rows


def _finish(process: subprocess.Popen[str], *, status: int = 0) -> str:
    """Waits for the end of a run; returns what it said."""
    _, said = process.communicate(timeout=_PATIENCE_S)
    assert process.returncode == status, said
    assert len(said.splitlines()) == (1 if status else 0), said
    return said


def _kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def _resumed(collection: Collection, out: Path) -> Rows:
    """What the folder holds after one more run."""
    assert _finish(start_label(collection.photos, out, collection.model, "--resume")) == ""
    return rows_of(out)


# ---- processes


def test_killed_at_twenty_random_moments(collection: Collection, tmp_path: Path) -> None:
    """Fails if `SkipFinished` passes on pictures that have a row."""
    chance, span = random.Random(1), collection.seconds
    for at in range(5):
        out = tmp_path / str(at)
        kills = 0
        while kills < 4:
            run = start_label(
                collection.photos, out, collection.model, "--resume", saved_every=0.05
            )
            try:
                run.wait(chance.uniform(0, span))
            except subprocess.TimeoutExpired:
                kills += 1
            else:
                span *= 0.9  # this machine is quicker now than it was
            _kill(run)
            if (out / "_SUCCESS").exists():  # and then it is one, whenever the end came
                assert open_run(str(out)).manifest.inputs == 1512
        assert _resumed(collection, out) == collection.rows


def test_a_worker_process_is_killed(collection: Collection, tmp_path: Path) -> None:
    """Fails without the handler of `runners.workers` and without its `explanation`."""
    run = start_label(
        *(collection.photos, tmp_path / "out", collection.model),
        *("--direct_running_mode=multi_processing", "--direct_num_workers=2"),
        saved_every=0.05,
    )
    wait_for_pieces(run, tmp_path / "out")
    workers = [pid for pid in descendants(run.pid) if _name(pid).startswith("python")]
    os.kill(workers[0], signal.SIGKILL)
    assert "a worker process has died" in _finish(run, status=1)
    assert _resumed(collection, tmp_path / "out") == collection.rows


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text()
    except FileNotFoundError:
        return ""


# ---- disks


def test_a_full_disk(collection: Collection, tmp_path: Path) -> None:
    """Fails if `StageRows` passes over errors when it saves."""
    with _small_disk(tmp_path / "disk") as disk:
        (disk / "filler").write_bytes(bytes(_DISK - 6 * 4096))
        said = _finish(start_label(collection.photos, disk / "out", collection.model), status=1)
        assert "No space left on device" in said
        assert not (disk / "out" / "_SUCCESS").exists()
        (disk / "filler").unlink()
        _finish(start_label(collection.photos, disk / "out", collection.model, "--resume"))
        assert rows_of(disk / "out") == collection.rows


@contextlib.contextmanager
def _small_disk(folder: Path) -> Iterator[Path]:
    """A file system of four megabytes."""
    if os.geteuid():
        pytest.skip("only the superuser can mount a small file system")
    folder.mkdir()
    _mount("-t", "tmpfs", "-o", f"size={_DISK}", "tmpfs", str(folder))
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("saved", [True, False])
def test_a_folder_that_turns_read_only(collection: Collection, tmp_path: Path, saved: bool) -> None:
    """After the first rows were saved, and before.

    Fails if `StageRows` passes over errors when it saves: the run goes on then, and stumbles where
    it merges; and if the lock or `_kept_for_resume` lets the errors of its own cleaning out.
    """
    out = tmp_path / "out"
    run = start_label(collection.photos, out, collection.model, saved_every=0.05)
    if saved:
        wait_for_pieces(run, out)
    else:
        _wait_for_attempt(run, out)
    with _read_only(out):
        said = _finish(run, status=1)
        assert "Read-only file system" in said or "Permission denied" in said
        assert "/predictions-" in said
        assert ("add --resume" in said) == any(out.glob("_unfinished-*/*-*.arrow"))
        assert not (out / "_MANIFEST.json").exists()
    assert _resumed(collection, out) == collection.rows


def _wait_for_attempt(run: subprocess.Popen[str], out: Path) -> None:
    while not list(out.glob("_unfinished-*/_RUN.json")):
        assert run.poll() is None
        time.sleep(0.001)


@contextlib.contextmanager
def _read_only(folder: Path) -> Iterator[None]:
    """Permissions do not bind the superuser, but a read-only mount over the folder does."""
    if os.geteuid():
        folders = [folder, *folder.glob("_unfinished-*")]
        for each in folders:
            each.chmod(0o555)
        yield
        for each in folders:
            each.chmod(0o755)
        return
    _mount("--bind", str(folder), str(folder))
    try:
        _mount("-o", "remount,bind,ro", str(folder))
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def _mount(*words: str) -> None:
    done = subprocess.run(["mount", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"mount is not permitted here: {done.stderr}")


# ---- storage


def test_storage_that_fails_now_and_then(cloud: Cloud, collection: Collection) -> None:
    """One request in ten is refused, one in twenty cut off, one in a hundred not answered.

    Fails if `transforms.storage.files.gcs_read` tries a read only once.
    """
    for picture in sorted(collection.photos.iterdir())[:200]:
        cloud.put(f"photos/{picture.name}", picture.read_bytes())
    assert _label_cloud("calm", collection.model) == 0
    cloud.requests.clear()
    cloud.faults = [
        Fault("", 503, share=0.10),
        Fault("", "reset", share=0.05),
        Fault("", "stall", share=0.01),
    ]
    assert _label_cloud("stormy", collection.model) == 0
    cloud.faults = []
    assert len(cloud.requests) > 250
    assert rows_of(f"gs://{BUCKET}/stormy") == rows_of(f"gs://{BUCKET}/calm")
    left = {name.split("/")[1].split("-")[0] for name in cloud.names("stormy/")}
    assert left == {"_MANIFEST.json", "_SUCCESS", "predictions", "__failures"}


def _label_cloud(out: str, model: Path) -> int:
    words = ["--input", f"gs://{BUCKET}/photos", "--output", f"gs://{BUCKET}/{out}"]
    return main(["label", "--quiet", *words, "--model", str(model)])


# ---- what is not as it was


def test_a_model_that_changes_during_the_run(collection: Collection, tmp_path: Path) -> None:
    """Fails if the workers read the file again: the launcher ships what it has checked."""
    model = tmp_path / "model.tflite"
    shutil.copy(collection.model, model)
    other = stand_in(seed=7)
    run = start_label(
        *(collection.photos, tmp_path / "out", model),
        *("--direct_running_mode=multi_processing", "--direct_num_workers=2"),
    )
    _wait_for_attempt(run, tmp_path / "out")  # the launcher has read it; nobody else has
    model.write_bytes(other)
    assert _finish(run) == ""
    assert rows_of(tmp_path / "out") == collection.rows


def test_a_model_that_changed_before_the_run_is_resumed(
    collection: Collection, tmp_path: Path
) -> None:
    """Fails if `attempts.differences` leaves out the model."""
    model = tmp_path / "model.tflite"
    shutil.copy(collection.model, model)
    run = start_label(collection.photos, tmp_path / "out", model, saved_every=0.05)
    wait_for_pieces(run, tmp_path / "out")
    _kill(run)
    model.write_bytes(stand_in(seed=7))
    again = start_label(collection.photos, tmp_path / "out", model, "--resume")
    assert "were made otherwise (--model " in _finish(again, status=1)
    assert _resumed(collection, tmp_path / "out") == collection.rows


_BACKWARDS = """
import datetime, time

began, begun = time.time(), time.monotonic()

def backwards():
    return began - 1000 * (time.monotonic() - begun)

backwards.__module__, backwards.__qualname__ = "time", "time"  # Beam pickles its clock by name
time.time = backwards

import pipeline.run.folder.ledger, pipeline.run.launch

def now():
    moment = datetime.datetime.fromtimestamp(time.time(), datetime.timezone.utc)
    return moment.isoformat(timespec="milliseconds")

pipeline.run.folder.ledger.now = pipeline.run.launch.now = now
"""
"""Each second takes the clock back a quarter of an hour."""


def _wait_for_second_save(run: subprocess.Popen[str], out: Path) -> None:
    """Returns once rows were saved anew: nothing but the clock makes a run do so."""
    seen: set[str] = set()
    while len(seen) < 2:
        assert run.poll() is None
        seen |= {path.name for path in out.glob("_unfinished-*/predictions-*.arrow")}
        time.sleep(0.005)


def test_a_clock_that_goes_backwards(collection: Collection, tmp_path: Path) -> None:
    """Fails if `StageRows` goes by `time.time()`."""
    out = tmp_path / "out"
    run = start_label(
        *(collection.photos, out, collection.model), saved_every=0.05, before=_BACKWARDS
    )
    _wait_for_second_save(run, out)
    _kill(run)
    run = start_label(collection.photos, out, collection.model, "--resume", before=_BACKWARDS)
    assert _finish(run) == ""
    assert rows_of(out) == collection.rows
    manifest = open_run(str(out)).manifest
    assert manifest.finished < manifest.started
    assert manifest.reused > 0
