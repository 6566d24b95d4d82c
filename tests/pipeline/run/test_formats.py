"""A folder as it comes from phones and cameras: one row a picture, whatever it is encoded as."""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pillow_jxl
import pyarrow.parquet as pq
import pytest

from pipeline.cli import main
from tests.helpers.archives import write_tar
from tests.helpers.encoded import encoded, orientation_exif, sample, waves
from transforms.images.guarded import guard

assert pillow_jxl  # it teaches Pillow to write JPEG XL

_FILM = b"\0\0\0\x14ftypqt  \0\0\0\0qt  "

_FORMATS = {
    "avif.avif": "AVIF",
    "grid.jpg": "HEIF",
    "jp2.jp2": "JPEG2000",
    "jxl.jxl": "JXL",
    "live.HEIC": "HEIF",
    "ppm.ppm": "PPM",
    "turned.heic": "HEIF",
}


@pytest.fixture
def phone(tmp_path: Path) -> Path:
    """One picture of each format, one of them under another's name, a Live Photo, a broken one."""
    folder = tmp_path / "phone"
    folder.mkdir()
    pixels = waves(96, 128)
    for name, content in {
        "avif.avif": encoded(pixels, "AVIF", quality=90, exif=orientation_exif(6)),
        "grid.jpg": sample("grid.heic"),
        "jp2.jp2": encoded(pixels, "JPEG2000"),
        "jxl.jxl": encoded(pixels, "JXL", quality=95),
        "live.HEIC": sample("plain.heic"),
        "live.MOV": _FILM,
        "ppm.ppm": encoded(pixels, "PPM"),
        "turned.heic": sample("orientation-6.heic"),
        "broken.heic": sample("plain.heic")[:-100],
    }.items():
        (folder / name).write_bytes(content)
    return folder


def _label(source: Path, out: Path, model: Path, *options: str) -> dict[str, Any]:
    words = ["--input", str(source), "--output", str(out), "--model", str(model), "--quiet"]
    assert main(["label", *words, *options]) == 0
    manifest: dict[str, Any] = json.loads((out / "_MANIFEST.json").read_bytes())
    return manifest


def _rows(out: Path) -> dict[str, dict[str, Any]]:
    (path,) = out.glob("predictions-*.parquet")
    return {Path(row["uri"]).name: row for row in pq.read_table(path).to_pylist()}


def test_each_picture_has_its_row(phone: Path, stand_in_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    manifest = _label(phone, out, stand_in_file)
    rows = _rows(out)
    assert {name: row["format"] for name, row in rows.items()} == _FORMATS
    assert {name: (row["width"], row["height"]) for name, row in rows.items()} == {
        **dict.fromkeys(_FORMATS, (128, 96)),
        "avif.avif": (96, 128),
        "grid.jpg": (120, 100),
        "turned.heic": (96, 128),
    }
    assert rows["live.HEIC"]["sha256"] == hashlib.sha256(sample("plain.heic")).hexdigest()
    assert (manifest["inputs"], manifest["predictions"], manifest["failures"]) == (8, 7, 1)
    film = {"count": 1, "example": str(phone / "live.MOV")}
    assert manifest["skipped_by_kind"] == {"video": film}
    (failures,) = out.glob("__failures/failures-*")
    failure = json.loads(failures.read_text("utf-8"))
    assert (Path(failure["uri"]).name, failure["reason"]) == ("broken.heic", "truncated")
    assert main(["verify", str(out), "--model", str(stand_in_file)]) == 0


def test_the_report_shows_them(phone: Path, stand_in_file: Path, tmp_path: Path) -> None:
    _label(phone, tmp_path / "out", stand_in_file)
    assert main(["report", str(tmp_path / "out")]) == 0
    page = (tmp_path / "out/__report/index.html").read_text("utf-8")
    assert page.count('"/9j/') == len(_FORMATS)  # the first bytes of every JPEG, in base64


def test_members_of_archives_are_read_too(phone: Path, stand_in_file: Path, tmp_path: Path) -> None:
    members = [(path.name, path.read_bytes()) for path in sorted(phone.iterdir())]
    write_tar(tmp_path / "phone.tar", members)
    manifest = _label(tmp_path / "phone.tar", tmp_path / "out", stand_in_file)
    assert (manifest["predictions"], manifest["failures"]) == (7, 1)


def test_processes_give_the_same_rows_and_leave_no_helper(
    phone: Path, stand_in_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(_MARK, str(tmp_path))
    # Those of earlier tests lack the mark, and one of them may still be lent.
    guard.end_helpers()
    _label(phone, tmp_path / "threads", stand_in_file)
    processes = ("--direct_num_workers=2", "--direct_running_mode=multi_processing")
    _label(phone, tmp_path / "processes", stand_in_file, *processes)
    assert _rows(tmp_path / "threads") == _rows(tmp_path / "processes")
    guard.end_helpers()
    for _ in range(300):  # those of other processes end when these have
        if not _marked(str(tmp_path)):
            return
        time.sleep(0.1)
    raise AssertionError(_marked(str(tmp_path)))


_MARK = "QUANTLABEL_TEST_MARK"


def _marked(mark: str) -> list[str]:
    """Numbers of the processes that were started with this mark."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"{_MARK}={mark}".encode() in path.read_bytes().split(b"\0"):
                found.append(path.parent.name)
        except OSError:  # it has ended meanwhile, or is another user's
            continue
    return found


def test_pixels_are_those_of_the_same_picture_as_png(stand_in_file: Path, tmp_path: Path) -> None:
    """Formats without loss give every value of the row."""
    for number in range(4):
        pixels = np.roll(waves(96, 128, period=20 + 9 * number), 7 * number, axis=2)
        for encoding, options in {
            "PNG": {},
            "PPM": {},
            "JPEG2000": {},
            "JXL": {"lossless": True},
        }.items():
            data = encoded(pixels, encoding, **options)
            target = tmp_path / "pictures" / f"{number}-{encoding}"
            target.parent.mkdir(exist_ok=True)
            target.with_suffix(f".{encoding.lower()[:3]}").write_bytes(data)
    words = tmp_path / "pictures" / "*"
    _label(words, tmp_path / "out", stand_in_file)
    rows = _rows(tmp_path / "out")
    assert len(rows) == 16
    for number in range(4):
        of_one = [row for name, row in rows.items() if name.startswith(f"{number}-")]
        assert len({(row["label"], row["score"], *row["embedding"]) for row in of_one}) == 1
