"""Resuming where pictures and rows are in Cloud Storage."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from deploy.emulator import Cloud
from pipeline.cli import main
from pipeline.run.folder import attempts
from pipeline.run.folder.finished import FinishedRun, open_run
from transforms.storage import files

OUT = "gs://bkt/out [1]"


def _upload(photos: Path) -> None:
    for path in photos.glob("*.jpg"):
        files.write_bytes(f"gs://bkt/photos/{path.name}", path.read_bytes())


def _label(model: Path, *words: str, source: str = "gs://bkt/photos") -> int:
    given = ["--input", source, "--output", OUT, "--model", str(model), *words]
    return main(["label", "--quiet", *given])


def _rows(run: FinishedRun) -> list[str]:
    column = pa.concat_tables(run.predictions(columns=["uri"])).column("uri").to_pylist()
    return [uri.rsplit("/", 1)[-1] for uri in column]


def _pictures_read(cloud: Cloud) -> list[str]:
    return [request for request in cloud.requests if "alt=media" in request and "photos" in request]


def test_finished_objects_are_not_read_again(
    cloud: Cloud, photos: Path, stand_in_file: Path, tmp_path: Path
) -> None:
    _upload(photos)
    assert _label(stand_in_file) == 0
    assert len(_pictures_read(cloud)) == 10
    files.write_bytes("gs://bkt/photos/000003.jpg", (photos / "000004.jpg").read_bytes())
    cloud.requests.clear()
    assert _label(stand_in_file, "--resume") == 0
    assert ["000003" in request for request in _pictures_read(cloud)] == [True]
    run = open_run(OUT)
    assert _rows(run) == [f"{number:06d}.jpg" for number in range(10)]
    assert run.manifest.reused == 9
    assert files.names(OUT) == [
        "_MANIFEST.json",
        "_SUCCESS",
        "predictions-00000-of-00001.parquet",
    ]
    # A manifest does not know the versions of its objects: they are asked for.
    listing = tmp_path / "list.txt"
    listing.write_text("".join(f"gs://bkt/photos/00000{n}.jpg\n" for n in (1, 2)), "utf-8")
    cloud.requests.clear()
    assert _label(stand_in_file, "--resume", source=str(listing)) == 0
    assert _pictures_read(cloud) == []
    assert _rows(open_run(OUT)) == ["000001.jpg", "000002.jpg"]


def test_an_attempt_in_a_bucket_is_found_and_used(
    cloud: Cloud, photos: Path, stand_in_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    _upload(photos)
    with monkeypatch.context() as patched:
        patched.setattr(attempts, "commit", dies)
        assert _label(stand_in_file) == 130
    assert len(attempts.unfinished(OUT)) == 1
    cloud.requests.clear()
    assert _label(stand_in_file, "--resume") == 0
    assert _pictures_read(cloud) == []
    assert len(_rows(open_run(OUT))) == open_run(OUT).manifest.reused == 10
    assert attempts.unfinished(OUT) == []
