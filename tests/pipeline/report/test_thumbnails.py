"""Small pictures inside the page."""

from __future__ import annotations

import base64
import hashlib
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.cli import main
from pipeline.report.thumbnails import thumbnails
from tests.helpers.archives import write_tar
from tests.helpers.encoded import difference, sample, waves
from tests.helpers.finished_runs import row_of_file, write_run
from tests.helpers.pictures import make_pictures


def test_members_of_archives_get_thumbnails(tmp_path: Path) -> None:
    make_pictures(tmp_path / "photos", count=3)
    paths = sorted((tmp_path / "photos").iterdir())
    archive = tmp_path / "photos.tar"
    write_tar(archive, [(f"d/{path.name}", path.read_bytes()) for path in paths])
    uris = [f"{archive}#d/{path.name}" for path in paths]
    rows = [
        {"uri": uri, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
        for uri, path in zip(uris, paths, strict=True)
    ]
    rows = [
        rows[2],
        {"uri": f"{archive}#gone.jpg", "sha256": ""},
        rows[0],
        {**rows[1], "sha256": ""},
    ]
    found = list(thumbnails(rows, max_bytes=10**6, max_pixels=10**6))
    assert [bool(each.jpeg) for each in found] == [True, False, True, False]
    assert [each.missing for each in found[1::2]] == [
        f"{archive} has no such member",
        "changed since it was labelled",
    ]


def test_a_grey_picture_gets_a_thumbnail(tmp_path: Path) -> None:
    path = tmp_path / "grey.png"
    Image.new("L", (900, 300), 80).save(path)
    write_run(tmp_path / "labels", [row_of_file(path, 0, label="wall", score=0.5)])
    assert main(["report", str(tmp_path / "labels")]) == 0
    page = (tmp_path / "labels/__report/index.html").read_text("utf-8")
    assert '"jpegs":["/9j/' in page  # the first bytes of every JPEG, in base64


@pytest.mark.parametrize("name", ["display-p3.heic", "display-p3.jxl", "adobe-rgb.jxl"])
def test_a_thumbnail_has_the_colours_of_the_picture(tmp_path: Path, name: str) -> None:
    data = sample(name)
    (tmp_path / name).write_bytes(data)
    row = {"uri": str(tmp_path / name), "sha256": hashlib.sha256(data).hexdigest()}
    (found,) = thumbnails([row], max_bytes=10_000, max_pixels=100_000)
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(found.jpeg))))
    assert difference(shown, waves(96, 128)) < 5
