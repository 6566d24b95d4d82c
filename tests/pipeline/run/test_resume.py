"""Runs that go on where another ended, end to end."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.cli import main
from pipeline.run.folder import attempts
from pipeline.run.folder.finished import open_run
from tests.helpers.forged import forge
from tests.helpers.pictures import make_pictures
from tests.helpers.runs import start_label, wait_for_pieces
from transforms.records import Prediction
from transforms.rows.publish import publish
from transforms.rows.schema import ROW_SCHEMA_VERSION
from transforms.storage import local


class Run:
    """A folder of ten pictures and a finished run over them."""

    def __init__(self, photos: Path, out: Path, model: Path) -> None:
        self.photos = photos
        self.out = out
        self._model = model

    def label(self, *words: object, source: Path | None = None) -> int:
        arguments = ["--input", source or self.photos, "--output", self.out, "--model", self._model]
        return main(["label", "--quiet", *map(str, [*arguments, *words])])

    @property
    def manifest(self) -> dict[str, Any]:
        return open_run(str(self.out)).manifest.as_dict()

    def rows(self) -> dict[str, dict[str, Any]]:
        table = pa.concat_tables(open_run(str(self.out)).predictions())
        rows = {Path(row["uri"]).name: row for row in table.to_pylist()}
        assert len(rows) == table.num_rows
        return rows

    def failures(self) -> dict[str, str]:
        tables = list(open_run(str(self.out)).failures())
        rows = [row for table in tables for row in table.to_pylist()]
        return {Path(row["uri"]).name: row["reason"] for row in rows}

    def picture(self, name: str) -> Path:
        return self.photos / name

    def shard(self, at: int = 0) -> Path:
        return sorted(self.out.glob("predictions-*"))[at]

    def ruin_unseen(self, name: str) -> None:
        """Makes a picture unusable such that neither its size nor its time says so."""
        status = self.picture(name).stat()
        self.picture(name).write_bytes(bytes(status.st_size))
        os.utime(self.picture(name), ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.fixture
def run(photos: Path, stand_in_file: Path, tmp_path: Path) -> Run:
    (photos / "empty.jpg").write_bytes(b"")
    (photos / "dangling.jpg").symlink_to("nowhere.jpg")
    run = Run(photos, tmp_path / "out", stand_in_file)
    assert run.label() == 0
    return run


def test_only_what_is_new_or_changed_is_read(run: Run) -> None:
    before = run.rows()
    for number in range(10):
        run.ruin_unseen(f"{number:06d}.jpg")
    make_pictures(run.photos / "more", count=2, seed=5)
    shutil.copy(run.photos / "more/000000.jpg", run.photos / "000003.jpg")
    run.picture("000004.jpg").unlink()
    run.picture("empty.jpg").unlink()
    (run.photos / "more/000000.jpg").rename(run.photos / "more/a.jpg")
    (run.photos / "more/000001.jpg").rename(run.photos / "more/b.jpg")
    assert run.label("--resume") == 0
    after = run.rows()
    assert set(after) == set(before) - {"000004.jpg"} | {"a.jpg", "b.jpg"}
    kept = set(before) - {"000003.jpg", "000004.jpg"}
    assert {name: after[name] for name in kept} == {name: before[name] for name in kept}
    assert after["000003.jpg"]["sha256"] == after["a.jpg"]["sha256"] != before["000003.jpg"]
    assert run.failures() == {"dangling.jpg": "not_found"}
    manifest = run.manifest
    counts = ("inputs", "predictions", "failures", "reused", "discarded")
    assert [manifest[name] for name in counts] == [12, 11, 1, 9, []]
    assert sum(label["count"] for label in manifest["most_frequent_labels"]) == 11
    assert [path.name for path in sorted(run.out.iterdir())] == [
        "_MANIFEST.json",
        "_SUCCESS",
        "failures-00000-of-00001.jsonl",
        "predictions-00000-of-00001.parquet",
    ]


def test_with_nothing_left_to_do_the_shards_stay_where_they_are(run: Run) -> None:
    before, files = run.rows(), {path.name: path.stat().st_ino for path in run.out.glob("*-of-*")}
    assert run.label("--resume") == 0
    assert {path.name: path.stat().st_ino for path in run.out.glob("*-of-*")} == files
    assert (run.rows(), run.manifest["reused"]) == (before, 12)


def test_resume_in_a_new_folder_is_an_ordinary_run(run: Run) -> None:
    before = run.rows()
    shutil.rmtree(run.out)
    assert run.label("--resume") == 0
    assert (run.rows(), run.manifest["reused"]) == (before, 0)


@pytest.mark.parametrize("format", ["jsonl", "tfrecord", "tfrecord.gz"])
def test_rows_survive_a_change_of_format_and_back(run: Run, format: str) -> None:
    before = run.rows()
    for number in range(10):
        run.ruin_unseen(f"{number:06d}.jpg")
    for other in (format, "parquet"):
        assert run.label("--resume", "--format", other) == 0
        assert run.rows() == before
        assert len(list(run.out.glob("predictions-*"))) == 1


def _of_version(version: int, *, without: Sequence[str] = ()) -> Callable[[pa.Table], pa.Table]:
    """What makes rows those of another schema version."""

    def change(table: pa.Table) -> pa.Table:
        metadata = {**table.schema.metadata, b"quantlabel.row_schema_version": b"%d" % version}
        return table.drop_columns(list(without)).replace_schema_metadata(metadata)

    return change


@pytest.mark.parametrize("more", [0, 1])
def test_rows_of_an_earlier_schema_version_stay_and_get_the_new_columns(
    run: Run, more: int
) -> None:
    before = run.rows()
    forge(run.out, _of_version(0, without=["mapped_label", "mapped_score"]))
    assert run.rows() == before  # read with nulls
    for number in range(10):
        run.ruin_unseen(f"{number:06d}.jpg")
    for number in range(more):
        make_pictures(run.photos / "more", count=1, seed=5)
        (run.photos / "more/000000.jpg").rename(run.photos / f"new{number}.jpg")
    assert run.label("--resume") == 0
    after = run.rows()
    assert {name: after[name] for name in before} == before
    assert (len(after), run.manifest["reused"]) == (10 + more, 12)
    schema = pq.read_schema(run.shard())
    assert schema.names == list(Prediction._fields)
    assert schema.metadata[b"quantlabel.row_schema_version"] == b"%d" % ROW_SCHEMA_VERSION


def test_rows_of_a_later_schema_version_are_refused(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    forge(run.out, _of_version(ROW_SCHEMA_VERSION + 1))
    before = {path.name: path.read_bytes() for path in run.out.iterdir()}
    assert run.label("--resume") == 1
    error = capsys.readouterr().err
    known = ROW_SCHEMA_VERSION
    assert f"schema version {known + 1}; this quantlabel knows version {known} and no" in error
    assert "Traceback" not in error
    assert (
        before.items()
        <= {path.name: path.read_bytes() for path in run.out.iterdir() if path.is_file()}.items()
    )


def test_meta_is_that_of_the_new_listing(run: Run) -> None:
    before = run.rows()
    for number in range(10):
        run.ruin_unseen(f"{number:06d}.jpg")
    listing = run.photos / "list.csv"
    listing.write_text("uri,id\n000001.jpg,7\n000002.jpg,8\nempty.jpg,9\n", "utf-8")
    assert run.label("--resume", source=listing) == 0
    expected = {f"00000{n}.jpg": {**before[f"00000{n}.jpg"]} for n in (1, 2)}
    expected["000001.jpg"]["meta"] = '{"id": "7"}'
    expected["000002.jpg"]["meta"] = '{"id": "8"}'
    assert run.rows() == expected
    (failure,) = (run.out / "failures-00000-of-00001.jsonl").read_text("utf-8").splitlines()
    assert json.loads(failure)["meta"] == '{"id": "9"}'


@pytest.mark.parametrize("damage", ["flip", "cut", "delete"])
def test_a_damaged_shard_is_not_used(run: Run, damage: str) -> None:
    before = run.rows()
    content = bytearray(run.shard().read_bytes())
    content[len(content) // 2] ^= 1
    if damage == "delete":
        run.shard().unlink()
    else:
        run.shard().write_bytes(content if damage == "flip" else content[:-5])
    path = str(run.out / "predictions-00000-of-00001.parquet")
    assert run.label("--resume") == 0
    assert run.rows() == before
    assert (run.manifest["reused"], run.manifest["discarded"]) == (2, [path])


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


def test_only_retryable_failures_are_tried_again_and_only_on_demand(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = run.rows()
    real = local.read
    tried: list[str] = []

    def disk_error(path: str, **options: Any) -> Any:
        tried.append(Path(path).name)
        if path.endswith("000003.jpg") and len(tried) < 20:
            raise OSError(errno.EIO, "Input/output error")
        return real(path, **options)

    monkeypatch.setattr(local, "read", disk_error)
    assert run.label("--overwrite") == 0
    assert run.failures()["000003.jpg"] == "io_error"
    tried.clear()
    tried += ["a disk that works now"] * 20
    assert run.label("--resume") == 0
    assert run.failures()["000003.jpg"] == "io_error"
    assert run.label("--retry-failures") == 0
    assert run.failures() == {"empty.jpg": "empty", "dangling.jpg": "not_found"}
    assert run.rows() == expected
    assert tried[20:] == ["000003.jpg"]


def test_renamed_and_copied_pictures_get_the_row_of_their_content(run: Run) -> None:
    before = run.rows()
    run.picture("000001.jpg").rename(run.picture("renamed.jpg"))
    shutil.copy(run.picture("000002.jpg"), run.picture("copied.jpg"))
    os.utime(run.picture("000003.jpg"), ns=(7, 7))
    make_pictures(run.photos / "more", count=1, seed=5)
    (run.photos / "more/000000.jpg").rename(run.picture("new.jpg"))
    assert run.label("--reuse-by", "sha256") == 0
    after = run.rows()
    assert run.manifest["reused"] == 13  # ten predictions, a copy, two failures
    for name, was in {"renamed": "000001", "copied": "000002", "000003": "000003"}.items():
        row, stored = after[f"{name}.jpg"], before[f"{was}.jpg"]
        assert row.pop("uri") == str(run.picture(f"{name}.jpg"))
        assert row.pop("version") == str(run.picture(f"{name}.jpg").stat().st_mtime_ns)
        assert row == {key: stored[key] for key in row}
    assert set(after) == set(before) - {"000001.jpg"} | {"renamed.jpg", "copied.jpg", "new.jpg"}


def test_what_cannot_be_hashed_is_labelled_or_fails_as_ever(run: Run) -> None:
    run.picture("dangling.jpg").unlink()
    run.picture("gone.jpg").symlink_to("nowhere.jpg")
    assert run.label("--reuse-by", "sha256") == 0
    assert run.failures() == {"empty.jpg": "empty", "gone.jpg": "not_found"}


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
