"""Runs that go on where another ended, end to end."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli import main
from pipeline.run.folder import attempts
from tests.helpers.pictures import make_pictures
from tests.helpers.resumed_runs import Run, first_run
from tests.helpers.runs import start_label, wait_for_pieces
from transforms.rows.publish import publish
from transforms.storage import local


@pytest.fixture
def run(photos: Path, stand_in_file: Path, tmp_path: Path) -> Run:
    return first_run(photos, stand_in_file, tmp_path)


def test_resume_in_a_new_folder_is_an_ordinary_run(run: Run) -> None:
    before = run.rows()
    shutil.rmtree(run.out)
    assert run.label("--resume") == 0
    assert (run.rows(), run.manifest["reused"]) == (before, 0)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--top-k", "3"], "--top-k 5 there, 3 now"),
        (["--preprocess", "slim"], "--preprocess eval there, slim now"),
        (["--max-pixels", "7000"], "--max-pixels 100000000 there, 7000 now"),
    ],
)
def test_rows_made_otherwise_are_refused_or_replaced(
    run: Run, words: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = run.rows()
    assert run.label("--resume", *words) == 1
    assert expected in capsys.readouterr().err
    assert run.rows() == before
    assert run.label("--resume", "--overwrite", *words) == 0
    assert run.manifest["reused"] == 0


def test_an_older_finished_run_stays_until_the_new_one_is_complete(run: Run) -> None:
    before = run.rows()
    process = start_label(
        run.photos, run.out, run._model, "--overwrite", copies=2_000, saved_every=0.1
    )
    wait_for_pieces(process, run.out)
    process.kill()
    process.wait()
    assert run.rows() == before
    (attempt,) = run.out.glob("_unfinished-*")
    assert attempts.pieces(str(attempt))
    assert run.label("--resume") == 0
    assert run.manifest["reused"] > 12
    assert len(run.rows()) + len(run.failures()) == run.manifest["inputs"] == 2_012
    assert not list(run.out.glob("_unfinished-*"))


def test_an_attempt_that_died_while_it_named_its_files_is_finished(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_pictures(run.photos / "more", count=1, seed=5)
    (run.photos / "more/000000.jpg").rename(run.photos / "a.jpg")

    def dies(folder: str, moves: Any) -> None:
        publish(folder, list(moves)[:1])
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(attempts, "publish", dies)
        assert run.label("--resume") == 130
    assert not (run.out / "_SUCCESS").exists()
    assert run.label("--resume") == 0
    assert len(run.rows()) == 11
    assert run.manifest["reused"] == 13
    assert not list(run.out.glob("_unfinished-*"))


def test_a_half_named_attempt_whose_files_are_lost_can_be_overwritten(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def dies(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(attempts, "publish", dies)
        assert run.label("--overwrite") == 130
    for path in run.out.glob("_unfinished-*/merged-*"):
        path.unlink()
    run.shard().unlink()
    assert run.label("--resume") == 1
    assert "--overwrite begins anew" in capsys.readouterr().err
    assert run.label("--overwrite") == 0
    assert len(run.rows()) == 10
    assert not list(run.out.glob("_unfinished-*"))


def test_a_run_without_resume_drops_what_dead_ones_left(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(attempts, "commit", dies)
        assert run.label("--overwrite", "--top-k", 3) == 130
        (first,) = attempts.unfinished(str(run.out))
        assert run.label("--overwrite") == 130
    (second,) = attempts.unfinished(str(run.out))
    assert first != second
    assert run.label("--resume") == 0  # nothing of other options is in its way
    assert run.manifest["reused"] == 12


def _dies(run: Run, monkeypatch: pytest.MonkeyPatch, *words: object) -> Path:
    """A run that is gone when all its rows are in parts; returns the folder of its attempt."""

    def dies(*_: Any) -> None:
        raise KeyboardInterrupt

    before = set(run.out.glob("_unfinished-*"))
    with monkeypatch.context() as patched:
        patched.setattr(attempts, "commit", dies)
        assert run.label(*words) == 130
    (attempt,) = set(run.out.glob("_unfinished-*")) - before
    return attempt


def _copy_of_part(attempt: Path, kind: str = "predictions") -> Path:
    (part,) = attempt.glob(f"{kind}-*.arrow")
    copy = attempt / f"{kind}-{'0' * 32}.arrow"
    shutil.copy(part, copy)
    return copy


def test_a_row_that_two_parts_hold_is_taken_once(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that is killed between a save and the deletion of the one before leaves two."""
    before = run.rows()
    shutil.rmtree(run.out)
    attempt = _dies(run, monkeypatch)
    _copy_of_part(attempt)
    _copy_of_part(attempt, "failures")
    assert run.label("--resume") == 0
    assert run.rows() == before
    assert len(run.failures()) == 2
    manifest = run.manifest
    assert [manifest[name] for name in ("inputs", "reused", "predictions")] == [12, 12, 10]


def test_a_row_that_part_and_shard_hold_is_taken_once(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = run.rows()
    _dies(run, monkeypatch, "--overwrite")
    assert run.label("--resume") == 0
    assert (run.rows(), run.manifest["reused"], run.manifest["inputs"]) == (before, 12, 12)


@pytest.mark.parametrize("left", [0.0, 0.5, 0.999])
def test_a_part_that_was_cut_off_is_not_used(
    run: Run, monkeypatch: pytest.MonkeyPatch, left: float
) -> None:
    before = run.rows()
    shutil.rmtree(run.out)
    attempt = _dies(run, monkeypatch)
    (part,) = attempt.glob("predictions-*.arrow")
    os.truncate(part, int(part.stat().st_size * left))
    assert run.label("--resume") == 0
    assert run.rows() == before
    assert (run.manifest["reused"], run.manifest["discarded"]) == (2, [str(part)])


def test_a_part_that_was_cut_off_does_not_hide_a_whole_one(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(run.out)
    attempt = _dies(run, monkeypatch)
    cut = _copy_of_part(attempt)
    os.truncate(cut, cut.stat().st_size - 9)
    assert run.label("--resume") == 0
    assert (len(run.rows()), run.manifest["reused"]) == (10, 12)
    assert run.manifest["discarded"] == [str(cut)]


@pytest.mark.parametrize("names", ["0f", "f0"])
def test_the_right_one_of_several_stored_rows_is_taken(
    run: Run, monkeypatch: pytest.MonkeyPatch, names: str
) -> None:
    """Whichever is found first: a prediction before a failure, the picture's content of now."""
    expected = run.rows()
    shutil.rmtree(run.out)
    real, changed = local.read, run.picture("000004.jpg").read_bytes()

    def disk_error(path: str, **options: Any) -> Any:
        if path.endswith("000003.jpg"):
            raise OSError(errno.EIO, "Input/output error")
        return real(path, **options)

    with monkeypatch.context() as patched:
        patched.setattr(local, "read", disk_error)
        shutil.copy(run.picture("000005.jpg"), run.picture("000004.jpg"))
        first = _dies(run, monkeypatch)
    run.picture("000004.jpg").write_bytes(changed)
    second = _dies(run, monkeypatch, "--retry-failures")
    for attempt, name in zip((first, second), names, strict=True):
        attempt.rename(run.out / f"_unfinished-{name * 12}")
    for number in range(10):
        run.ruin_unseen(f"{number:06d}.jpg")
    assert run.label("--resume") == 0
    rows = run.rows()
    assert [rows[name].pop("version") != expected[name].pop("version") for name in rows] == [
        name == "000004.jpg" for name in rows
    ]
    assert rows == expected


def test_parts_that_were_made_otherwise_are_not_used(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = run.rows()
    shutil.rmtree(run.out)
    _dies(run, monkeypatch, "--top-k", 3)
    assert run.label("--resume", "--overwrite") == 0
    assert (run.rows(), run.manifest["reused"]) == (before, 0)


def test_where_nothing_can_be_kept_it_is_said_before_the_run(
    run: Run, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ["label", "--output", str(run.out), "--model", "m.tflite"]
    sources = ["hdfs://host/photos", "s3://bkt/photos", "gs://bkt/photos", str(run.photos)]
    for source in sources:
        words += ["--input", source]
    expected = (
        "--resume keeps no row of hdfs://host/photos: its storage tells no version of a file, so "
        "all pictures there are labelled again"
    )
    assert main([*words, "--resume"]) == 1
    assert capfd.readouterr().err.splitlines()[:-1] == [expected]
    assert main([*words, "--overwrite"]) == 1
    assert len(capfd.readouterr().err.splitlines()) == 1
