"""Small pictures inside the page."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from pipeline.cli import main
from tests.helpers.finished_runs import row_of_file, write_run


def test_a_grey_picture_gets_a_thumbnail(tmp_path: Path) -> None:
    path = tmp_path / "grey.png"
    Image.new("L", (900, 300), 80).save(path)
    write_run(tmp_path / "labels", [row_of_file(path, 0, label="wall", score=0.5)])
    assert main(["report", str(tmp_path / "labels")]) == 0
    page = (tmp_path / "labels/report/index.html").read_text("utf-8")
    assert '"thumb":"/9j/' in page  # the first bytes of every JPEG, in base64
