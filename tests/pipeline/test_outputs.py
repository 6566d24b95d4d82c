"""What commands write beside a run: whole at every moment, and one line where it cannot be."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import resource
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import duckdb
import pandas
import polars
import pyarrow.dataset
import pytest

from deploy.emulator import Cloud
from pipeline.cli import main
from pipeline.export.targets import TARGETS, ExportTarget
from tests.conftest import unprivileged
from tests.helpers.contents import contents
from tests.helpers.finished_runs import plausible, some_failures, write_run
from tests.helpers.head_runs import MODEL
from transforms.storage import files, local

COMMANDS = {
    "report": ["report"],
    "duplicates": ["duplicates"],
    "review": ["review", "--budget", "20"],
    "evaluate": ["evaluate", "--truth", "TRUTH"],
    "fit": ["head", "fit", "--truth", "LABELS"],
    "apply": ["head", "apply"],
    **{f"export {to}": ["export", "--to", to] for to in TARGETS},
}

_TABLES = {f"export {to}" for to, target in TARGETS.items() if target.commits}


@pytest.fixture
def run(public_folder: Path) -> Path:
    """A run of 300 pictures, and two tables of truth beside it."""
    write_run(public_folder / "labels", plausible(300), some_failures(2), model=MODEL)
    uris = [row.uri for row in plausible(300)]
    truth = [f"{uri},{at % 2 + 1}" for at, uri in enumerate(uris)]
    (public_folder / "truth.csv").write_text("\n".join(["uri,class_id", *truth]), "utf-8")
    labels = [f"{uri},{'ab'[at % 2]}" for at, uri in enumerate(uris)]
    (public_folder / "labels.csv").write_text("\n".join(["uri,label", *labels]), "utf-8")
    return public_folder / "labels"


def _words(run: Path, command: str) -> list[str]:
    tables = {name: str(run.parent / f"{name.lower()}.csv") for name in ("TRUTH", "LABELS")}
    words = [tables.get(word, word) for word in COMMANDS[command]]
    at = 2 if words[0] == "head" else 1
    return [*words[:at], str(run), *words[at:]]


def _first(run: Path, command: str) -> None:
    """What has to be there for a command."""
    if command == "apply":
        assert main(_words(run, "fit")) == 0


def _content(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): b"" if path.is_symlink() else path.read_bytes()
        for path in folder.rglob("*")
        if not path.is_dir()
    }


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_dir())


@contextlib.contextmanager
def _full_disk(size: int = 1024) -> Iterator[None]:
    """Files end after a kilobyte."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with pytest.MonkeyPatch.context() as patched:
        # Or modules that are imported now, here or in a program, are kept cut off for later tests.
        patched.setattr(sys, "dont_write_bytecode", True)
        patched.setenv("PYTHONDONTWRITEBYTECODE", "1")
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


# The pictures are not there, so there is nothing that an image folder could hold.
@pytest.mark.parametrize("command", [name for name in COMMANDS if "imagefolder" not in name])
def test_a_disk_that_is_full_costs_one_line_and_nothing_that_was_there(
    run: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    _first(run, command)
    assert main(_words(run, command)) == 0
    before, folders = _content(run), _folders(run)
    capsys.readouterr()
    for size in (0, 1024):
        with _full_disk(size):
            assert main(_words(run, command)) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("quantlabel: ")
        # Beam words errors its own way.
        assert re.search(r" /[^:]+: File too large$| File too large: '/[^']+'", line)
        if command in _TABLES:
            # Files that no snapshot names may be left beside those that were there.
            assert before.items() <= _content(run).items()
        else:
            assert (_content(run), _folders(run)) == (before, folders)


@pytest.mark.parametrize(
    "command", ["duplicates", "review", "evaluate", "fit", "apply", "export csv"]
)
def test_room_that_ends_at_any_file_leaves_all_old_ones(
    run: Path,
    command: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    _first(run, command)
    words = _words(run, command)
    if command == "review":
        words += ["--to", "csv", "--to", "label-studio"]
    assert main(words) == 0
    if command == "duplicates":  # else old and new are the same
        words += ["--threshold", "0.5"]
    before = _content(run)
    create = local.create
    for room in range(20):
        left = iter(range(room))

        def limited(path: str, left: Iterator[int] = left) -> IO[bytes]:
            if next(left, None) is None:
                raise OSError(errno.ENOSPC, "No space left on device", path)
            return create(path)

        monkeypatch.setattr(local, "create", limited)
        capsys.readouterr()
        if main(words) == 0:
            break
        assert "No space left on device" in capsys.readouterr().err
        assert _content(run) == before
    assert room > 1


@pytest.mark.parametrize(
    ("size", "message"),
    [
        (0, "--output OUT: nothing can be written there: File too large. Check"),
        (100, "--output OUT: nothing can be written there: No space left on device. Check"),
        (700, "_RUN.json: File too large"),
    ],
)
def test_a_run_without_room_names_the_file_and_leaves_no_lock(
    photos: Path,
    stand_in_file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    size: int,
    message: str,
) -> None:
    out = tmp_path / "out"
    words = ["label", "--quiet", "--input", str(photos), "--output", str(out)]
    with _full_disk(size):
        assert main([*words, "--model", str(stand_in_file)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert message.replace("OUT", str(out)) in line
    assert not list(out.rglob("_RUNNING.json"))
    assert not list(out.rglob("*.new"))


@pytest.mark.parametrize("words", [["stand-in"], ["export", "--model", "MODEL", "--to", "tflite"]])
def test_a_model_that_cannot_be_written_leaves_the_old_one(
    stand_in_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(b"old")
    given = [str(stand_in_file) if word == "MODEL" else word for word in words]
    with _full_disk():
        assert main(["model", *given, "--output", str(path)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"quantlabel: --output {path}: cannot be written: File too large.")
    assert [each.read_bytes() for each in tmp_path.iterdir()] == [b"old"]


@pytest.mark.parametrize("command", [name for name in COMMANDS if "imagefolder" not in name])
def test_a_folder_that_is_read_only_costs_one_line(
    run: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    _first(run, command)
    run.chmod(0o555)
    with unprivileged():
        assert main(_words(run, command)) == 1
    (line,) = capsys.readouterr().err.splitlines()
    # Beam words errors its own way.
    assert re.search(rf" {run}/[^:]+: Permission denied$| Permission denied: '{run}/[^']+'", line)


@pytest.fixture
def worked_on(run: Path) -> Path:
    """The run, after every other command has written beside it."""
    for command in COMMANDS:
        if "imagefolder" not in command:  # whose pictures would have to be there
            assert main(_words(run, command)) == 0
    assert main(["head", "apply", str(run)]) == 0
    return run


def test_the_folder_opens_as_one_table_whatever_came_later(worked_on: Path) -> None:
    uris = sorted(row.uri for row in plausible(300))
    frame = pandas.read_parquet(worked_on)
    assert sorted(frame["uri"]) == uris
    assert len(frame["embedding"][0]) == 256
    assert pyarrow.dataset.dataset(worked_on).count_rows() == 300
    assert duckdb.execute(f"SELECT count(*) FROM '{worked_on}/*.parquet'").fetchall() == [(300,)]
    assert len(polars.read_parquet(f"{worked_on}/*.parquet")) == 300
    script = (
        "import sys, datasets\n"
        "rows = datasets.load_dataset(sys.argv[1], cache_dir=sys.argv[2])\n"
        "print(rows.num_rows, rows['train'][0]['uri'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(worked_on), str(worked_on.parent / "cache")],
        capture_output=True,
        text=True,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(worked_on.parent / "home")},
        check=False,
    )
    assert done.stdout.splitlines()[-1] == f"{{'train': 300}} {frame['uri'][0]}", done.stderr


def test_who_looks_while_an_export_is_replaced_sees_all_of_it(run: Path) -> None:
    assert main(["export", str(run), "--to", "csv"]) == 0
    before = _content(run / "__export/csv")
    wrong: list[object] = []
    done = threading.Event()

    def look() -> None:
        earlier: object = None
        while not done.is_set():
            found: object
            try:
                found = {name: (run / "__export/csv" / name).read_bytes() for name in before}
            except OSError as error:
                found = repr(error)
            # Who has just opened the old folder may find it emptied, but not twice.
            if found != before and earlier not in (None, before):
                wrong.append(found)
            earlier = found

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        for _ in range(30):
            assert main(["export", str(run), "--to", "csv"]) == 0
    finally:
        done.set()
        watcher.join()
    assert wrong == []
    assert _content(run / "__export/csv") == before
    assert sorted(os.listdir(run / "__export")) == ["_QUANTLABEL.json", "csv", "csv.json"]


@pytest.mark.parametrize("swaps", [True, False])
def test_a_folder_is_replaced_whether_or_not_the_system_can_swap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, swaps: bool
) -> None:
    if not swaps:
        monkeypatch.setattr(local, "_swapped", lambda *_: False)
    for content in ("first", "second", "third"):
        new, old = tmp_path / "new", tmp_path / "old"
        (new / "sub").mkdir(parents=True)
        (new / "sub" / content).write_text(content, "utf-8")
        files.replace_tree(str(new), str(old))
        assert _content(tmp_path) == {f"old/sub/{content}": content.encode()}
    elsewhere = tmp_path / "elsewhere"
    shutil.move(old, elsewhere)
    old.symlink_to(elsewhere)  # somebody has another disk for it: the link goes, not the content
    files.replace_tree(str(new), str(old))
    assert (list(old.iterdir()), old.is_symlink()) == ([], False)
    assert _content(elsewhere) == {"sub/third": b"third"}


def test_an_export_that_was_killed_is_cleared_away_by_the_next(run: Path) -> None:
    left = run / "__export/_unfinished-csv-0123456789ab/predictions.csv"
    left.parent.mkdir(parents=True)
    left.write_text("half", "utf-8")
    assert main(["export", str(run), "--to", "csv"]) == 0
    assert sorted(os.listdir(run / "__export")) == ["_QUANTLABEL.json", "csv", "csv.json"]


def _upload(cloud: Cloud, run: Path) -> str:
    for name, content in contents(run).items():
        cloud.put(f"labels/{name}", content)
    return "gs://bkt/labels"


def test_in_a_bucket_the_marker_goes_first_and_comes_last(cloud: Cloud, run: Path) -> None:
    folder = _upload(cloud, run)
    for _ in range(2):
        cloud.requests.clear()
        assert main(["export", folder, "--to", "csv"]) == 0
    marker = "labels%2F__export%2Fcsv.json"
    changes = [each for each in cloud.requests if not each.startswith("GET")]
    first = next(
        at
        for at, each in enumerate(changes)
        if each.startswith(f"DELETE /storage/v1/b/bkt/o/{marker}")
    )
    touched = [at for at, each in enumerate(changes) if "export%2Fcsv%2F" in each]
    assert touched
    assert first < min(touched)
    last = max(at for at, each in enumerate(changes) if f"/rewriteTo/b/bkt/o/{marker}" in each)
    assert max(touched) < last
    assert cloud.names("labels/__export/") == [
        "labels/__export/_QUANTLABEL.json",
        "labels/__export/csv.json",
        "labels/__export/csv/_QUANTLABEL.json",
        "labels/__export/csv/failures.csv",
        "labels/__export/csv/predictions.csv",
    ]


def test_in_a_bucket_an_export_that_fails_leaves_the_old_one_whole(
    cloud: Cloud, run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = _upload(cloud, run)
    assert main(["export", folder, "--to", "csv"]) == 0
    before = {name: cloud.content(name) for name in cloud.names()}

    def fails(_: object, place: str) -> None:
        files.write_bytes(f"{place}/predictions.csv", b"half")
        raise ConnectionError(104, "Connection reset by peer")

    monkeypatch.setattr(ExportTarget, "load", lambda _: fails)
    capsys.readouterr()
    assert main(["export", folder, "--to", "csv"]) == 1
    assert capsys.readouterr().err == "quantlabel: Connection reset by peer\n"
    assert {name: cloud.content(name) for name in cloud.names()} == before
