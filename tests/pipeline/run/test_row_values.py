"""Runs of a release whose rows had other values: only those rows are made anew."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from pipeline.cli import main
from pipeline.run.folder import attempts
from pipeline.run.folder.finished import open_run
from pipeline.run.folder.manifest import Manifest, read_manifest
from tests.helpers.archives import write_archive
from tests.helpers.forged import forge
from tests.helpers.pictures import make_pictures
from tests.helpers.profiles import PROFILES


class Run:
    """Two small pictures, an empty one and a large JPEG, labelled and forged to be of 0.1.0."""

    def __init__(self, folder: Path, model: Path) -> None:
        self.photos, self.out, self.model = folder / "photos", folder / "out", model

    def label(self, *words: str) -> int:
        arguments = ["--input", self.photos, "--output", self.out, "--model", self.model]
        return main(["label", "--quiet", *map(str, arguments), *words])

    @property
    def manifest(self) -> Manifest:
        return read_manifest(str(self.out))

    def rows(self) -> dict[str, dict[str, Any]]:
        table = pa.concat_tables(open_run(str(self.out)).predictions())
        return {row["uri"].rpartition("/")[2]: row for row in table.to_pylist()}

    def verified(self, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
        capsys.readouterr()
        status = main(["verify", str(self.out), "--json"])
        result = json.loads(capsys.readouterr().out)
        assert (status, result["wrong"]) == (0, 0), result
        check: dict[str, Any] = result["checks"][-1]
        assert check["name"] == "labelled again"
        return check


def _large(path: Path) -> None:
    """A JPEG of 3600 x 3600 pixels, which 0.1.0 halved."""
    ramp = np.linspace(0, 255, 3600).astype(np.uint8)
    pixels = np.stack([np.tile(ramp, (3600, 1)), np.tile(ramp[:, None], 3600)], axis=2)
    Image.fromarray(np.dstack([pixels, pixels[:, :, 0]])).save(path, quality=80)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("row_values")
    make_pictures(folder, count=2)
    (folder / "empty.jpg").write_bytes(b"")
    _large(folder / "large.jpg")
    return folder


def _of_0_1_0(table: pa.Table) -> pa.Table:
    """Every feature vector is another: that of a row that is kept must come out as it went in."""
    at = table.schema.get_field_index("embedding")
    field = table.schema.field(at)
    vectors = np.full((table.num_rows, 256), 0.5, np.float32)
    return table.set_column(at, field, pa.array(list(vectors), field.type))


@pytest.fixture
def run(photos: Path, stand_in_file: Path, tmp_path: Path) -> Run:
    shutil.copytree(photos, tmp_path / "photos")
    return Run(tmp_path, stand_in_file)


def _anew(run: Run) -> list[str]:
    """Names of the pictures that were labelled by this release."""
    return sorted(name for name, row in run.rows().items() if set(row["embedding"]) != {0.5})


@pytest.mark.parametrize("format", ["parquet", "jsonl", "tfrecord"])
def test_only_what_0_1_0_reduced_is_labelled_anew(run: Run, format: str) -> None:
    assert run.label() == 0
    true = run.rows()
    forge(run.out, _of_0_1_0, row_values=2)
    assert run.label("--resume", "--format", format) == 0
    manifest = json.loads((run.out / "_MANIFEST.json").read_bytes())
    (run.out / "_MANIFEST.json").write_text(json.dumps({**manifest, "row_values": 1}), "utf-8")
    assert _anew(run) == []
    assert run.label("--resume") == 0
    assert _anew(run) == ["large.jpg"]
    assert run.rows()["large.jpg"] == true["large.jpg"]
    assert (run.manifest.row_values, run.manifest.reused, run.manifest.inputs) == (2, 3, 4)
    assert (run.manifest.predictions, run.manifest.failures) == (3, 1)
    assert run.label("--resume") == 0
    assert run.manifest.reused == 4


def test_rows_by_content_follow_the_same_rule(run: Run) -> None:
    assert run.label() == 0
    forge(run.out, _of_0_1_0, row_values=1)
    for name in ("large", "000001"):
        (run.photos / f"{name}.jpg").rename(run.photos / f"{name} renamed.jpg")
    assert run.label("--reuse-by", "sha256") == 0
    assert set(run.rows()) == {"000000.jpg", "000001 renamed.jpg", "large renamed.jpg"}
    assert _anew(run) == ["large renamed.jpg"]
    assert (run.manifest.row_values, run.manifest.reused) == (2, 3)


def test_members_of_archives_follow_the_same_rule(run: Run) -> None:
    members = {path.name: path.read_bytes() for path in run.photos.iterdir()}
    shutil.rmtree(run.photos)
    run.photos.mkdir()
    write_archive(run.photos / "all.tar", members)
    assert run.label() == 0
    forge(run.out, _of_0_1_0, row_values=1)
    assert run.label("--resume") == 0
    assert [name.rpartition("#")[2] for name in _anew(run)] == ["large.jpg"]
    assert (run.manifest.row_values, run.manifest.reused, run.manifest.inputs) == (2, 3, 4)


def test_rows_of_an_attempt_that_died_follow_the_same_rule(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(attempts, "commit", dies)
        assert run.label() == 130
    (path,) = run.out.glob("_unfinished-*/_RUN.json")
    of_run = json.loads(path.read_bytes())
    assert of_run.pop("row_values") == 2
    path.write_text(json.dumps(of_run), "utf-8")  # as 0.1.0 wrote it
    assert run.label("--resume") == 0
    assert (run.manifest.row_values, run.manifest.reused, run.manifest.inputs) == (2, 3, 4)


def test_verify_leaves_such_rows_out_and_says_so(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    def large_is_another(table: pa.Table) -> pa.Table:
        forged = _of_0_1_0(table)
        return pa.concat_tables([table.slice(0, 2), forged.slice(2)])

    assert run.label() == 0
    forge(run.out, large_is_another, row_values=1)
    check = run.verified(capsys)
    assert check["found"] == (
        "2 pictures, every column compared; not compared: 1 of all rows, which an earlier release "
        "gave other values (label --resume makes them anew)"
    )
    assert check["counts"]["outdated"] == 1
    assert run.label("--resume") == 0
    check = run.verified(capsys)
    assert check["found"] == "3 pictures, every column compared"
    assert check["counts"]["outdated"] == 0


def test_verify_with_nothing_to_compare_is_no_error(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("000000", "000001"):
        os.remove(run.photos / f"{name}.jpg")
    assert run.label() == 0
    forge(run.out, _of_0_1_0, row_values=1)
    check = run.verified(capsys)
    assert (check["done"], check["counts"]["outdated"]) == (False, 1)


def test_verify_compares_nothing_with_rows_of_a_later_release(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    os.remove(run.photos / "large.jpg")
    assert run.label() == 0
    forge(run.out, _of_0_1_0, row_values=3)
    check = run.verified(capsys)
    assert not check["done"]
    assert check["found"] == (
        "made by a newer quantlabel (row values 3, this one makes 2). Update it: "
        "pip install --upgrade quantlabel"
    )


def _coloured(folder: Path) -> None:
    """Two pictures in Display P3, which 0.1.0 took for sRGB."""
    pixels = np.asarray(Image.open(folder / "000000.jpg"))
    for name in ("p3.jpg", "p3.png"):
        Image.fromarray(pixels).save(folder / name, icc_profile=PROFILES["Display P3"])


@pytest.mark.parametrize("how", ["--resume", "--reuse-by=sha256", "archive"])
def test_only_pictures_with_a_profile_are_labelled_anew(run: Run, how: str) -> None:
    (run.photos / "large.jpg").unlink()
    _coloured(run.photos)
    if how == "archive":
        members = {path.name: path.read_bytes() for path in run.photos.iterdir()}
        shutil.rmtree(run.photos)
        run.photos.mkdir()
        write_archive(run.photos / "all.tar", members)
    assert run.label() == 0
    true = run.rows()
    forge(run.out, _of_0_1_0, row_values=1)
    if how == "--reuse-by=sha256":
        for path in run.photos.iterdir():
            path.rename(path.with_stem(f"{path.stem} renamed"))
    assert run.label("--resume" if how == "archive" else how, "--colour", "ignore") == 0
    assert _anew(run) == []
    forge(run.out, _of_0_1_0, row_values=1)
    assert run.label("--resume" if how == "archive" else how) == 0
    anew = [name.rpartition("#")[2].replace(" renamed", "") for name in _anew(run)]
    assert anew == ["p3.jpg", "p3.png"]
    assert {row["colour"] for row in run.rows().values()} == {"none", "converted"}
    assert [row["score"] for row in run.rows().values()] == [row["score"] for row in true.values()]


def test_rows_of_the_other_option_are_refused(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    (run.photos / "large.jpg").unlink()
    assert run.label("--colour", "ignore") == 0
    assert run.label("--resume") == 1
    assert "made otherwise (--colour ignore there, managed now)" in capsys.readouterr().err
