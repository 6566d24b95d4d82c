from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from deploy.emulator import Cloud
from pipeline.cli import main
from pipeline.run.folder.manifest import read_manifest
from pipeline.verify.inputs import ListedAgain
from pipeline.verify.rows import Repeats
from tests.conftest import unprivileged
from tests.helpers.archives import write_archive, write_tar
from tests.helpers.finished_runs import made_up_manifest
from tests.helpers.forged import forge, lose
from tests.helpers.pictures import make_pictures
from transforms.storage import files


class Run:
    """A folder with pictures and the folder of a run over what is in it."""

    def __init__(self, folder: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.photos = folder / "photos"
        self.out = folder / "out"
        self._model = model
        self._capsys = capsys
        make_pictures(self.photos, count=5)

    def label(self, *sources: object) -> None:
        words = [word for source in sources or [self.photos] for word in ("--input", source)]
        words += ["--output", self.out, "--model", self._model]
        assert main(["label", "--quiet", *map(str, words)]) == 0

    @property
    def manifest(self) -> dict[str, Any]:
        return dict(json.loads((self.out / "_MANIFEST.json").read_bytes()))

    def inputs(self) -> dict[str, Any]:
        """What verify says of the inputs; the rest must be in order."""
        self._capsys.readouterr()
        status = main(["verify", str(self.out), "--sample", "0", "--json"])
        checks = json.loads(self._capsys.readouterr().out)["checks"]
        wrong = {check["name"] for check in checks if check["count"]}
        assert wrong <= {"inputs"}
        assert status == len(wrong)
        (check,) = [check for check in checks if check["name"] == "inputs"]
        return dict(check)

    def missing(self) -> list[str]:
        """Names of pictures that should have a row and have none."""
        problems = self.inputs()["problems"]
        return [problem.partition(" has no row")[0].rsplit("/", 1)[-1] for problem in problems]


@pytest.fixture
def run(tmp_path: Path, stand_in_file: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    return Run(tmp_path, stand_in_file, capsys)


@pytest.fixture
def cloud_run(cloud: Cloud, run: Run) -> Run:
    for path in run.photos.iterdir():
        cloud.put(f"photos/{path.name}", path.read_bytes())
    return run


def _counts(**counts: int) -> dict[str, int]:
    return {"pictures": 5, "missing": 0, "new": 0, "gone": 0, "unread": 0, **counts}


def test_a_row_that_was_never_there_is_found(run: Run) -> None:
    run.label()
    assert run.inputs()["counts"] == _counts()
    lose(run.out, "000003.jpg")
    found = run.inputs()
    lost = run.photos / "000003.jpg"
    assert found["problems"] == [
        f"{lost} has no row, and the picture has not changed since before the run"
    ]
    assert found["counts"] == _counts(missing=1)


@pytest.mark.parametrize("source", ["*.jpg", "list.txt", "000003.jpg"])
def test_it_is_found_whatever_the_input_was(run: Run, source: str) -> None:
    (run.photos / "list.txt").write_text("000003.jpg\n000001.jpg\n", "utf-8")
    run.label(run.photos / source, run.photos / "000000.jpg")
    lose(run.out, "000003.jpg")
    assert run.missing() == ["000003.jpg"]


def test_a_failure_that_was_never_there_is_found(run: Run) -> None:
    (run.photos / "empty.jpg").write_bytes(b"")
    (run.photos / "nowhere.jpg").symlink_to("gone.jpg")
    (run.photos / "list.csv").write_text("uri\n\xe9\n\n,\n", "utf-8")
    run.label(run.photos, run.photos / "list.csv")
    _lose_failures(run)
    lose(run.out, "000001.jpg")
    missing = ["000001.jpg", "empty.jpg", "list.csv#line 4", "nowhere.jpg", "\xe9"]
    assert sorted(run.missing()) == missing


def _lose_failures(run: Run) -> None:
    manifest = run.manifest
    (failures,) = [file for file in manifest["files"] if file["name"].startswith("__failures/")]
    (run.out / failures["name"]).unlink()
    forge(
        run.out,
        lambda table: table,
        files=[file for file in manifest["files"] if file != failures],
        failures=0,
        inputs=manifest["predictions"],
    )


def test_pictures_that_came_or_went_are_no_problem(run: Run) -> None:
    run.label()
    run.photos.joinpath("000000.jpg").unlink()
    shutil.copy2(run.photos / "000001.jpg", run.photos / "new.jpg")  # its old time included
    found = run.inputs()
    assert found["counts"] == _counts(new=1, gone=1)
    expected = "5 listed; 1 without a row, newer than the run; 1 with a row are gone"
    assert found["found"] == expected


def test_a_picture_with_a_time_to_come_is_as_old_as_it_is(run: Run) -> None:
    os.utime(run.photos / "000003.jpg", (4e9, 4e9))
    time.sleep(0.01)
    run.label()
    lose(run.out, "000003.jpg")
    assert run.missing() == ["000003.jpg"]


def test_a_time_to_come_is_no_time_at_which_something_came(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.label()
    lose(run.out, "000003.jpg")
    monkeypatch.setattr(files, "changed", lambda _: time.time() + 100_000)  # a clock was wrong
    assert run.missing() == ["000003.jpg"]


def test_an_old_picture_that_a_manifest_has_gained_is_new(run: Run) -> None:
    (run.photos / "list.txt").write_text("000003.jpg\n", "utf-8")
    run.label(run.photos / "list.txt")
    (run.photos / "list.txt").write_text("000003.jpg\n000001.jpg\n", "utf-8")
    assert run.inputs()["counts"] == _counts(pictures=2, new=1)


def test_inputs_that_are_gone_are_said_to_be_and_the_rest_is_checked(run: Run) -> None:
    run.label(run.photos, run.photos / "000003.jpg")
    shutil.rmtree(run.photos)
    found = run.inputs()
    assert (found["done"], found["count"]) == (False, 0)
    assert f"--input {run.photos}: nothing matched" in found["found"]
    assert "with a row are gone" not in found["found"]


def test_no_inputs_are_listed_on_demand(run: Run) -> None:
    run.label()
    lose(run.out, "000003.jpg")
    assert main(["verify", str(run.out), "--sample", "0", "--no-inputs"]) == 0


def test_relative_inputs_are_found_from_any_folder(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = tmp_path / "a [b] *"
    odd.mkdir()
    run.photos.rename(odd / "photos")
    monkeypatch.chdir(odd)
    run.label("photos/*.jpg", "photos")
    monkeypatch.chdir(tmp_path)
    assert run.inputs()["counts"] == _counts(pictures=10)
    lose(run.out, "000003.jpg")
    assert run.missing() == ["000003.jpg"] * 2


def test_names_that_are_not_utf_8_are_found(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.photos.joinpath("000003.jpg").rename(run.photos / os.fsdecode(b"\xff.jpg"))
    run.label()
    assert run.inputs()["counts"] == _counts()
    lose(run.out, "xff.jpg")
    (problem,) = run.inputs()["problems"]
    assert problem.startswith(f"{run.photos}/\\xff.jpg has no row, and the picture has")
    odd = Path(os.fsdecode(bytes(tmp_path) + b"/\xff"))
    odd.mkdir()
    run.photos.rename(odd / "photos")
    monkeypatch.chdir(odd)
    shutil.rmtree(run.out)
    run.label("photos")
    found = run.inputs()
    assert (found["done"], found["count"]) == (True, 0)


def test_a_folder_that_cannot_be_listed_any_more_is_counted(run: Run, public_folder: Path) -> None:
    make_pictures(public_folder / "sub", count=2)
    run.label(public_folder)
    (public_folder / "sub").chmod(0)
    listed = _listed_without_privilege(run, public_folder)
    assert (listed.unread, listed.new, listed.gone, listed.missing) == (1, 0, 2, 0)


def _listed_without_privilege(run: Run, source: Path) -> ListedAgain:
    repeats = Repeats()
    repeats.add([str(source / f"sub/00000{number}.jpg") for number in range(2)])
    listed = ListedAgain(read_manifest(str(run.out)), repeats.hashes())
    with unprivileged():
        assert list(listed.problems()) == []
    return listed


@pytest.mark.parametrize("kind", ["tar", "tfrecord", "parquet"])
def test_members_of_shards_are_counted(run: Run, tmp_path: Path, kind: str) -> None:
    pictures = {path.name: path.read_bytes() for path in sorted(run.photos.iterdir())}
    archive = tmp_path / f"archives/a.{kind}"
    archive.parent.mkdir()
    write_archive(archive, pictures)
    run.label(archive.parent)
    assert run.inputs()["counts"] == _counts()
    rows = [uri for uri in _uris(run) if "#" in uri]
    assert len(rows) == 5
    lose(run.out, rows[3])
    found = run.inputs()
    assert found["problems"] == [
        f"{rows[3]} has no row, and {archive} has not changed since before the run"
    ]
    os.truncate(archive, 100)
    assert run.inputs()["count"] == 0  # whatever is in it now


def _uris(run: Run) -> list[str]:
    uris: list[str] = pq.read_table(run.out, columns=["uri"]).column("uri").to_pylist()
    return uris


def test_a_damaged_shard_must_have_its_failure(run: Run, tmp_path: Path) -> None:
    archive = tmp_path / "cut.tar"
    write_tar(archive, [(path.name, path.read_bytes()) for path in sorted(run.photos.iterdir())])
    content = archive.read_bytes()
    archive.write_bytes(content[: content.index(b"000004.jpg") + 700])
    run.label(archive)
    assert run.inputs()["counts"] == _counts()
    _lose_failures(run)
    assert run.missing() == ["cut.tar"]


def test_objects_are_told_by_when_they_were_made(cloud: Cloud, cloud_run: Run) -> None:
    cloud_run.label("gs://bkt/photos")
    assert cloud_run.inputs()["counts"] == _counts()
    lose(cloud_run.out, "000003.jpg")
    time.sleep(0.01)  # the clocks of the kernel and of objects differ by some milliseconds
    cloud.put("photos/new.jpg", cloud.content("photos/000001.jpg"))
    cloud.delete("photos/000000.jpg")
    found = cloud_run.inputs()
    assert found["counts"] == _counts(missing=1, new=1, gone=1)
    assert found["problems"][0].startswith("gs://bkt/photos/000003.jpg has no row")


def test_a_bucket_that_is_gone_is_said_to_be(cloud_run: Run) -> None:
    cloud_run.label("gs://bkt/photos")
    options = {**cloud_run.manifest["options"], "inputs": ["gs://none/photos"]}
    forge(cloud_run.out, lambda table: table, options=options)
    found = cloud_run.inputs()
    assert (found["done"], found["count"]) == (False, 0)
    assert "--input gs://none/photos: " in found["found"]


def test_one_of_many_without_a_row_is_found(tmp_path: Path) -> None:
    rows = 200_000
    listing = tmp_path / "list.txt"
    listing.write_text("".join(f"/photos/{n}.jpg\n" for n in range(rows)), "utf-8")
    repeats = Repeats()
    repeats.add([f"/photos/{n}.jpg" for n in range(1, rows + 3)])
    manifest = made_up_manifest(
        started="2999-01-01T00:00:00.000+00:00",
        options={"inputs": [str(listing)], "max_bytes": 1000},
    )
    listed = ListedAgain(manifest, repeats.hashes())
    assert [problem.split()[0] for problem in listed.problems()] == ["/photos/0.jpg"]
    assert (listed.pictures, listed.gone) == (rows, 3)
