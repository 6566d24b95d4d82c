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
from tests.helpers.encoded import difference, sample, waves
from tests.helpers.finished_runs import row_of_file, write_run


def test_a_grey_picture_gets_a_thumbnail(tmp_path: Path) -> None:
    path = tmp_path / "grey.png"
    Image.new("L", (900, 300), 80).save(path)
    write_run(tmp_path / "labels", [row_of_file(path, 0, label="wall", score=0.5)])
    assert main(["report", str(tmp_path / "labels")]) == 0
    page = (tmp_path / "labels/report/index.html").read_text("utf-8")
    assert '"thumb":"/9j/' in page  # the first bytes of every JPEG, in base64


@pytest.mark.parametrize("name", ["display-p3.heic", "display-p3.jxl", "adobe-rgb.jxl"])
def test_a_thumbnail_has_the_colours_of_the_picture(tmp_path: Path, name: str) -> None:
    data = sample(name)
    (tmp_path / name).write_bytes(data)
    row = {"uri": str(tmp_path / name), "sha256": hashlib.sha256(data).hexdigest()}
    (found,) = thumbnails([row], max_bytes=10_000, max_pixels=100_000)
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(found.jpeg))))
    assert difference(shown, waves(96, 128)) < 5
