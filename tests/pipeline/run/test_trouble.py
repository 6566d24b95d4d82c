"""All the trouble that a folder or a list can hold, in one run: a row each, and exact sums."""

from __future__ import annotations

import json
import os
import shutil
import socket
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.cli import main
from tests.helpers.archives import write_tar

HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"
"""The beginning of one."""

PSD = b"8BPS\0\1\0\0"


def _label(out: Path, model: Path, *inputs: object) -> dict[str, Any]:
    words = [word for each in inputs for word in ("--input", str(each))]
    assert main(["label", "--output", str(out), "--model", str(model), "--quiet", *words]) == 0
    manifest: dict[str, Any] = json.loads((out / "_MANIFEST.json").read_bytes())
    assert manifest["inputs"] == manifest["predictions"] + manifest["failures"]
    assert manifest["skipped"] == sum(
        kind["count"] for kind in manifest["skipped_by_kind"].values()
    )
    return manifest


def _failures(out: Path, folder: Path) -> dict[str, str]:
    lines = [
        line
        for path in out.glob("__failures/failures-*")
        for line in path.read_text("utf-8").splitlines()
    ]
    rows = [json.loads(line) for line in lines]
    return {os.path.relpath(row["uri"], folder): row["reason"] for row in rows}


def test_a_folder_of_trouble(
    photos: Path, stand_in_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = (photos / "000000.jpg").read_bytes()
    monkeypatch.chdir(photos)  # the path of a socket has to be short
    (photos / "self").symlink_to("self")
    (photos / "self.jpg").symlink_to("self.jpg")
    (photos / "back").symlink_to(".")
    os.mkfifo("pipe.jpg")
    os.mkfifo("pipe.parquet")
    os.mkfifo("_MANIFEST.json")
    socket.socket(socket.AF_UNIX).bind("socket.jpg")
    for name, content in {
        "really.heic": picture,
        "a.heic": HEIC,
        "b.jpg": PSD,
        "c.jp2": b"?",
        "d.x3f": picture,
        "e.7z": b"?",
        "f.tar.lz4": b"?",
        "Thumbs.db": b"?",
        "notes.txt": b"?",
    }.items():
        Path(name).write_bytes(content)
    os.mkdir("@eaDir")
    shutil.copy("000000.jpg", "@eaDir")
    nested = b"[" * 30_000 + b"]" * 30_000
    write_tar(photos / "t.tar", [("a.jpg", picture), ("a.json", nested), ("._a.jpg", b"?")])
    late = pa.array([4_000_000], pa.date32())
    pq.write_table(pa.table({"jpg": [picture], "late": late}), photos / "late.parquet")
    pq.write_table(pa.table({"a": [picture], "b": [picture]}), photos / "two.parquet")
    pq.write_table(pa.table({"hash": [bytes(32)] * 1000}), photos / "hash.parquet")
    manifest = _label(tmp_path / "out", stand_in_file, photos)
    assert _failures(tmp_path / "out", photos) == {
        "self": "not_found",
        "self.jpg": "not_found",
        "pipe.jpg": "not_a_file",
        "socket.jpg": "not_a_file",
        "pipe.parquet": "not_a_file",
        "a.heic": "truncated",
        "b.jpg": "unsupported_format",
        "c.jp2": "unknown_format",
        "d.x3f": "unsupported_format",
        "e.7z": "unsupported_format",
        "f.tar.lz4": "unsupported_format",
        "two.parquet": "no_pictures",
    }
    assert manifest["predictions"] == 13  # the ten, really.heic, t.tar#a.jpg and late.parquet#0
    assert manifest["skipped_by_kind"] == {
        "hidden": {"count": 3, "example": f"{photos}/@eaDir"},
        "text": {"count": 2, "example": f"{photos}/_MANIFEST.json"},
        "parquet": {"count": 1, "example": f"{photos}/hash.parquet"},
    }
    os.remove("_MANIFEST.json")  # a new file would count as a change
    assert main(["verify", str(tmp_path / "out"), "--model", str(stand_in_file)]) == 0


def test_a_list_of_trouble(photos: Path, stand_in_file: Path, tmp_path: Path) -> None:
    uris = [
        *(f"{n:06d}.jpg" for n in range(10)),
        "http://[bad/x.jpg",
        "ftp://user:secret@host/a.jpg",
        "hdfs://host/no-extra-for-it.jpg",
        "1x://no/scheme.jpg",
        "https://127.0.0.1/img?id=1",  # of a private network
        "https://127.0.0.1/img?id=2",
        "x" * 5000,
    ]
    rows = [f'{uri},"t{n}"' for n, uri in enumerate(uris)]
    rows[3] = rows[3].replace('"t3"', '"t3')
    (photos / "l.csv").write_text("\n".join(["uri,title", *rows, ""]), "utf-8")
    manifest = _label(tmp_path / "out", stand_in_file, photos / "l.csv")
    assert (manifest["inputs"], manifest["predictions"], manifest["duplicates"]) == (17, 9, 0)
    assert manifest["failures_by_reason"] == {
        "bad_manifest_row": 1,
        "not_found": 1,
        "permission_denied": 2,
        "unsupported_uri": 4,
    }
    (failures,) = (tmp_path / "out").glob("__failures/failures-*")
    assert "secret" not in failures.read_text("utf-8")


def test_a_folder_without_a_picture_says_what_is_there(
    stand_in_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a.csv", "b.txt", ".DS_Store"):
        (tmp_path / name).write_bytes(b"x")
    words = ["--input", tmp_path, "--output", tmp_path / "out", "--model", stand_in_file]
    assert main(["label", *map(str, words)]) == 1
    said = capsys.readouterr().err
    found = "no picture, but 2 text and tables, such as a.csv; 1 hidden, such as .DS_Store."
    assert found in said
    assert len(said.splitlines()) == 1
