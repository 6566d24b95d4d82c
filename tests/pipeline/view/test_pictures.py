"""Pictures in full size, from wherever they are."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from pipeline.view.pictures import Pictures
from pipeline.view.server import RefusedError
from tests.helpers.archives import write_tar
from tests.helpers.encoded import difference, sample, waves
from tests.helpers.finished_runs import made_up_manifest
from tests.helpers.pictures import make_pictures


def _of(*files: tuple[Path | str, bytes]) -> Pictures:
    rows = [{"uri": str(uri), "sha256": hashlib.sha256(data).hexdigest()} for uri, data in files]
    return Pictures(pa.Table.from_pylist(rows), made_up_manifest())


def test_what_browsers_know_comes_as_it_is(tmp_path: Path) -> None:
    make_pictures(tmp_path, count=1)
    path = tmp_path / "000000.jpg"
    assert _of((path, path.read_bytes()))(0) == (path.read_bytes(), "image/jpeg")


@pytest.mark.parametrize("name", ["display-p3.heic", "waves.tiff"])
def test_what_they_do_not_know_comes_as_a_jpeg(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name == "waves.tiff":
        Image.fromarray(waves(96, 128)).save(path)
    else:
        path.write_bytes(sample(name))
    content, type_ = _of((path, path.read_bytes()))(0)
    assert type_ == "image/jpeg"
    shown = Image.open(io.BytesIO(content))
    assert (shown.format, shown.size) == ("JPEG", (128, 96))
    assert difference(np.asarray(shown), waves(96, 128)) < 5


def test_a_name_says_nothing_of_the_type(tmp_path: Path) -> None:
    make_pictures(tmp_path, count=1)
    path = (tmp_path / "000000.jpg").rename(tmp_path / "page.html")
    assert _of((path, path.read_bytes()))(0)[1] == "image/jpeg"


def test_members_of_archives(tmp_path: Path) -> None:
    make_pictures(tmp_path / "photos", count=2)
    first, second = (path.read_bytes() for path in sorted((tmp_path / "photos").iterdir()))
    archive = tmp_path / "photos.tar"
    write_tar(archive, [("a.jpg", first), ("b.jpg", second)])
    pictures = _of((f"{archive}#b.jpg", second), (f"{archive}#gone.jpg", second))
    assert pictures(0) == (second, "image/jpeg")
    with pytest.raises(RefusedError, match="has no such member"):
        pictures(1)


def test_what_was_not_labelled_is_not_shown(tmp_path: Path) -> None:
    make_pictures(tmp_path, count=1)
    path = tmp_path / "000000.jpg"
    page = tmp_path / "page.html"
    page.write_bytes(b"<script>alert(1)</script>")
    pictures = _of((path, b"another"), (tmp_path / "gone.jpg", b""), (page, page.read_bytes()))
    for row, expected in enumerate(["has changed since", "No such file", "not a picture"]):
        with pytest.raises(RefusedError, match=expected) as refused:
            pictures(row)
        assert refused.value.status == 404


@pytest.mark.parametrize("row", [-1, 1])
def test_other_rows_than_those_of_the_run(tmp_path: Path, row: int) -> None:
    with pytest.raises(RefusedError, match="there is no such row"):
        _of((tmp_path / "a.jpg", b""))(row)


def test_the_limits_are_those_of_the_run(tmp_path: Path) -> None:
    path = tmp_path / "waves.tiff"
    Image.fromarray(waves(96, 128)).save(path)
    rows = [{"uri": str(path), "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}]
    manifest = made_up_manifest(options={"max_pixels": 96 * 128 - 1})
    with pytest.raises(RefusedError, match="pixels"):
        Pictures(pa.Table.from_pylist(rows), manifest)(0)
