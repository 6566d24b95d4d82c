"""Labelling runs over shards, end to end, through the command line."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from pipeline.cli import main
from tests.cloud import Cloud
from tests.shards import write_parquet, write_tar, write_tfrecord


def _label(output: Path, stand_in_file: Path, *words: object) -> dict[str, Any]:
    arguments = ["--output", output, "--model", stand_in_file, "--quiet", *words]
    assert main(["label", *map(str, arguments)]) == 0
    manifest: dict[str, Any] = json.loads((output / "_MANIFEST.json").read_text("utf-8"))
    return manifest


def _rows(folder: Path) -> dict[str, dict[str, Any]]:
    table = pq.read_table([str(path) for path in folder.glob("predictions-*.parquet")])
    rows = {row["uri"]: row for row in table.to_pylist()}
    assert len(rows) == table.num_rows
    return rows


def _failures(folder: Path) -> list[tuple[str, str]]:
    rows = [
        json.loads(line)
        for path in folder.glob("failures-*.jsonl")
        for line in path.read_text("utf-8").splitlines()
    ]
    return sorted((row["uri"], row["reason"]) for row in rows)


def _counts(manifest: dict[str, Any]) -> list[int]:
    names = ("inputs", "predictions", "failures", "duplicates", "skipped")
    return [manifest[name] for name in names]


def _contents(photos: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted(photos.iterdir())]


@pytest.fixture
def shards(photos: Path, tmp_path: Path) -> Path:
    """A folder with three shards of the pictures 0 to 2, 3 to 5 and 6 to 8, and picture 9."""
    folder = tmp_path / "shards"
    folder.mkdir()
    pictures = _contents(photos)
    tar = [
        (f"{n}.{extension}", content)
        for n in range(3)
        for extension, content in (("jpg", pictures[n]), ("cls", b"%d" % n))
    ]
    write_tar(folder / "a.tar", [*tar, ("empty.jpg", b""), ("notes.md", b"x")])
    write_tfrecord(
        folder / "b.tfrecord-00000-of-00001",
        [{"image/encoded": content} for content in pictures[3:6]],
    )
    write_parquet(folder / "c.parquet", {"jpg": pictures[6:9], "n": [6, 7, 8]})
    (folder / "9.jpg").write_bytes(pictures[9])
    return folder


def _members(folder: Path) -> list[str]:
    names = [f"a.tar#{n}.jpg" for n in range(3)]
    names += [f"b.tfrecord-00000-of-00001#{n}" for n in range(3)]
    names += [f"c.parquet#{n}" for n in range(3)]
    return [*(f"{folder}/{name}" for name in names), f"{folder}/9.jpg"]


def test_a_folder_of_shards_gives_the_rows_of_loose_files(
    photos: Path, shards: Path, stand_in_file: Path, tmp_path: Path
) -> None:
    (shards / "notes.md").write_bytes(b"x")
    write_parquet(shards / "truth.parquet", {"uri": ["9.jpg"], "n": [9]})
    manifest = _label(tmp_path / "packed", stand_in_file, "--input", shards)
    assert _counts(manifest) == [11, 10, 1, 0, 3]
    assert _failures(tmp_path / "packed") == [(f"{shards}/a.tar#empty.jpg", "empty")]
    _label(tmp_path / "loose", stand_in_file, "--input", photos)
    packed, loose = _rows(tmp_path / "packed"), _rows(tmp_path / "loose")
    assert set(packed) == set(_members(shards))
    same = ("sha256", "width", "class_id", "top_scores", "embedding", "size")
    for member, (_, row) in zip(_members(shards), sorted(loose.items()), strict=True):
        assert [packed[member][name] for name in same] == [row[name] for name in same]
    assert packed[f"{shards}/a.tar#2.jpg"]["meta"] == '{"cls": 2}'
    assert packed[f"{shards}/c.parquet#2"]["meta"] == '{"n": 8}'
    version = str((shards / "a.tar").stat().st_mtime_ns)
    assert packed[f"{shards}/a.tar#2.jpg"]["version"] == version


def test_a_shard_is_read_once_however_often_it_is_named(
    shards: Path, stand_in_file: Path, tmp_path: Path
) -> None:
    listing = shards / "list.csv"
    listing.write_text("uri,split\na.tar,train\nc.parquet,test\n9.jpg,test\n", "utf-8")
    inputs = ["--input", listing, "--input", f"{shards}/*.tar", "--input", shards / "c.parquet"]
    manifest = _label(tmp_path / "out", stand_in_file, *inputs)
    assert _counts(manifest) == [8, 7, 1, 2, 1]
    metas = {uri: json.loads(row["meta"]) for uri, row in _rows(tmp_path / "out").items()}
    assert metas[f"{shards}/9.jpg"] == {"split": "test"}
    assert set(metas) == {uri for uri in _members(shards) if "tfrecord" not in uri}


def test_damaged_shards_cost_one_row_each(
    shards: Path, stand_in_file: Path, tmp_path: Path
) -> None:
    tar, records = shards / "a.tar", shards / "b.tfrecord-00000-of-00001"
    content = tar.read_bytes()
    tar.write_bytes(content[: content.index(b"1.jpg") + 600])
    flipped = bytearray(records.read_bytes())
    flipped[200] ^= 1
    records.write_bytes(flipped)
    (shards / "c.parquet").write_bytes(b"no parquet")
    manifest = _label(tmp_path / "out", stand_in_file, "--input", shards)
    assert _counts(manifest) == [7, 4, 3, 0, 0]
    assert manifest["failures_by_reason"] == {"damaged_shard": 3}
    damaged = [str(tar), f"{records}#0", f"{shards}/c.parquet"]
    assert _failures(tmp_path / "out") == [(uri, "damaged_shard") for uri in damaged]


def test_image_key_chooses_what_is_the_picture(
    photos: Path, stand_in_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures = _contents(photos)
    both = tmp_path / "both.parquet"
    write_parquet(both, {"uri": [f"{photos}/000000.jpg"], "a": pictures[1:2], "b": pictures[2:3]})
    records = tmp_path / "x.tfrecord"
    write_tfrecord(records, [{"b": pictures[3]}])
    inputs = ["--input", both, "--input", records, "--image-key", "b"]
    manifest = _label(tmp_path / "out", stand_in_file, *inputs)
    assert _counts(manifest) == [2, 2, 0, 0, 0]
    assert set(_rows(tmp_path / "out")) == {f"{both}#0", f"{records}#0"}
    manifest = _label(tmp_path / "plain", stand_in_file, "--input", both)
    assert set(_rows(tmp_path / "plain")) == {f"{photos}/000000.jpg"}
    write_parquet(both, {"a": pictures[1:2], "b": pictures[2:3]})
    assert (
        main(["label", "--input", str(both), "--output", "x", "--model", str(stand_in_file)]) == 1
    )
    assert f"{both}: several columns hold bytes: a, b; --image-key" in capsys.readouterr().err


def test_two_processes_read_shards_alike(shards: Path, stand_in_file: Path, tmp_path: Path) -> None:
    flags = ["--direct_num_workers=2", "--direct_running_mode=multi_processing"]
    one = _label(tmp_path / "one", stand_in_file, "--input", shards)
    two = _label(tmp_path / "two", stand_in_file, "--input", shards, *flags)
    assert _counts(one) == _counts(two) == [11, 10, 1, 0, 1]
    assert _rows(tmp_path / "one") == _rows(tmp_path / "two")


def test_many_members_larger_than_what_may_wait_keep_their_rows(
    photos: Path, stand_in_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transforms.load._WAITING_BYTES", 3000)
    monkeypatch.setattr("transforms.load._ROWS_A_TALLY", 50)
    content = _contents(photos)[0]
    write_tar(tmp_path / "x.tar", [(f"{number:03d}.jpg", content) for number in range(300)])
    manifest = _label(tmp_path / "out", stand_in_file, "--input", tmp_path / "x.tar")
    assert _counts(manifest) == [300, 300, 0, 0, 0]
    assert len(_rows(tmp_path / "out")) == 300


def test_nothing_is_extracted(photos: Path, stand_in_file: Path, tmp_path: Path) -> None:
    content = _contents(photos)[0]
    inside = tmp_path / "deep/inside"
    inside.mkdir(parents=True)
    names = ["../../escaped.jpg", "/tmp/quantlabel-escaped.jpg", "a\n\x1b[31m.jpg"]
    write_tar(inside / "x.tar", [(name, content) for name in names])
    manifest = _label(tmp_path / "out", stand_in_file, "--input", inside / "x.tar")
    assert _counts(manifest) == [3, 3, 0, 0, 0]
    assert set(_rows(tmp_path / "out")) == {f"{inside}/x.tar#{name}" for name in names}
    found = subprocess.run(
        ["find", tmp_path, "/tmp", "-name", "*escaped.jpg"], capture_output=True, check=False
    )
    assert found.stdout == b""


def test_a_resumed_run_reads_shards_anew_and_doubles_nothing(
    shards: Path, stand_in_file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    (shards / "c.parquet").write_bytes(b"no parquet")
    first = _label(out, stand_in_file, "--input", shards)
    rows, failures = _rows(out), _failures(out)
    again = _label(out, stand_in_file, "--input", shards, "--resume")
    assert _counts(first) == _counts(again) == [9, 7, 2, 0, 1]
    assert (_rows(out), _failures(out)) == (rows, failures)
    assert again["reused"] == 1  # the loose picture


def test_shards_in_a_bucket_give_the_rows_of_those_on_disk(
    cloud: Cloud, shards: Path, stand_in_file: Path, tmp_path: Path
) -> None:
    whole = (shards / "a.tar").read_bytes()
    (shards / "cut.tar").write_bytes(whole[: whole.index(b"1.jpg") + 600])
    for path in shards.iterdir():
        cloud.put(f"shards/{path.name}", path.read_bytes())
    local = _label(tmp_path / "local", stand_in_file, "--input", shards)
    remote = _label(tmp_path / "remote", stand_in_file, "--input", "gs://bkt/shards")
    assert _counts(local) == _counts(remote) == [13, 11, 2, 0, 1]
    expected = {uri.replace(str(tmp_path), "gs://bkt") for uri in _rows(tmp_path / "local")}
    rows = _rows(tmp_path / "remote")
    assert set(rows) == expected
    assert {row["version"] for uri, row in rows.items() if "a.tar#" in uri} == {
        cloud.generation("shards/a.tar")
    }
    assert ("gs://bkt/shards/cut.tar", "damaged_shard") in _failures(tmp_path / "remote")
