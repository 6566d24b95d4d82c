from __future__ import annotations

import gzip
import io
import json
import os
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import transforms.inputs.archives.tar
from tests.helpers.archives import HUGGING_FACE, write_parquet, write_tar, write_tfrecord
from transforms.inputs.archives.base import Skipped
from transforms.inputs.archives.kinds import archive_kind
from transforms.inputs.archives.members import Member, read_members
from transforms.records import Failure, ImageRef

A, B, C = (letter * size for letter, size in ((b"a", 700), (b"b", 1024), (b"c", 5)))


def _read(path: Path, *, image_key: str | None = None, meta: str | None = None) -> list[Any]:
    """An archive as (member, bytes), (member or "", reason), or the name of what is skipped.

    Members with more than 2,000 bytes are too large.
    """
    found: list[Any] = []
    for item in read_members(ImageRef(str(path), meta), image_key=image_key, max_bytes=2000):
        if isinstance(item, Skipped):
            found.append(item.path)
        elif isinstance(item, Member):
            found.append((_member(path, item.ref.uri), item.data))
        else:
            found.append((_member(path, item.uri), item.reason))
    return found


def _member(path: Path, uri: str) -> str:
    assert uri.startswith(str(path))
    return uri.removeprefix(str(path)).removeprefix("#")


def _metas(path: Path, *, meta: str | None = None) -> list[Any]:
    items = list(read_members(ImageRef(str(path), meta), image_key=None, max_bytes=2000))
    return [json.loads(item.ref.meta or "null") for item in items if isinstance(item, Member)]


def _failure(path: Path) -> Failure:
    """The only failure, which is the last thing that an archive yields."""
    *others, last = read_members(ImageRef(str(path)), image_key=None, max_bytes=2000)
    assert isinstance(last, Failure)
    assert not any(isinstance(item, Failure) for item in others)
    return last


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.tar", "tar"),
        ("a.TAR.gz", "tar"),
        ("a.tgz", "tar"),
        ("a.tfrecord", "tfrecord"),
        ("a.tfrecords.gz", "tfrecord"),
        ("train00-2071.tfrec", "tfrecord"),  # as Kaggle has them
        ("mnist-train.tfrecord-00000-of-00010", "tfrecord"),
        ("/data/train-00000-of-01024", "tfrecord"),
        ("a.parquet", "parquet"),
        ("/data/train-00000-of-01024.jpg", None),
        ("a.tar.jpg", None),
        ("a.gz", None),
        ("a.tfrecipe", None),
        ("tar", None),
    ],
)
def test_a_shard_is_told_by_its_name(name: str, expected: str | None) -> None:
    kind = archive_kind(name)
    assert (kind and kind.extension) == (expected and f".{expected}")


@pytest.mark.parametrize(
    ("name", "mode"), [("x.tar", "w"), ("x.tar.gz", "w:gz"), ("x.tgz", "w:gz")]
)
def test_tar_yields_pictures_and_counts_the_rest(tmp_path: Path, name: str, mode: str) -> None:
    path = tmp_path / name
    write_tar(
        path, [("a.jpg", A), ("sub/deep/b.PNG", B), ("notes.md", b"x"), ("c.webp", C)], mode=mode
    )
    assert _read(path) == [("a.jpg", A), ("sub/deep/b.PNG", B), "notes.md", ("c.webp", C)]


def test_a_member_has_its_own_size_and_the_version_of_its_shard(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    write_tar(path, [("a.jpg", A)])
    os.utime(path, ns=(1, 1234567890123456789))
    (member,) = read_members(ImageRef(str(path)), image_key=None, max_bytes=2000)
    assert member == Member(ImageRef(f"{path}#a.jpg", None, 700, "1234567890123456789"), A)


def test_siblings_of_a_sample_become_meta(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    members = [
        ("d/0.cls", b"7\n"),
        ("d/0.jpg", A),
        ("d/0.json", b'{"w": NaN, "tags": ["x"]}'),
        ("d/0.txt", "ein Bär".encode()),
        ("d/1.left.jpg", B),
        ("d/1.right.jpg", C),
        ("d/1.cls", b"tabby"),
        ("d/1.more.json", b"{broken"),
        ("d/2.cls", b"9"),
        ("d/3.jpg", A),
        ("d/4.txt", b"x" * 70_000),
        ("d/4.jpg", B),
    ]
    write_tar(path, members)
    assert _metas(path, meta='{"split": "train", "cls": "old"}') == [
        {"split": "train", "cls": 7, "json": {"w": None, "tags": ["x"]}, "txt": "ein Bär"},
        {"split": "train", "cls": "tabby", "more.json": "{broken"},
        {"split": "train", "cls": "tabby", "more.json": "{broken"},
        {"split": "train", "cls": "old"},
        {"split": "train", "cls": "old"},
    ]
    assert [item for item in _read(path) if isinstance(item, str)] == ["d/2.cls", "d/4.txt"]


def test_a_sample_that_is_too_large_to_hold_goes_on_without_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transforms.inputs.archives.tar, "_HELD_BYTES", 1500)
    path = tmp_path / "x.tar"
    write_tar(path, [("f.1.jpg", A), ("f.2.jpg", B), ("f.3.jpg", C), ("f.cls", b"1")])
    assert _metas(path) == [None, None, {"cls": 1}]


@pytest.mark.parametrize(
    "name",
    ["../../etc/a.jpg", "/etc/a.jpg", "a\nb\x1b[31m.jpg", "C:\\a.jpg", "caf\udce9.jpg", "a#b.jpg"],
)
def test_a_hostile_name_is_only_a_name(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "inside"
    folder.mkdir()
    write_tar(folder / "x.tar", [(name, A)])
    assert _read(folder / "x.tar") == [(name, A)]
    assert [path.name for path in tmp_path.rglob("*")] == ["inside", "x.tar"]


def test_members_that_are_no_files_and_names_that_are_taken_are_failures(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    with tarfile.open(path, "w") as tar:
        for name, kind, content in (
            ("folder.jpg", tarfile.DIRTYPE, b""),
            ("a.jpg", tarfile.REGTYPE, A),
            ("hard.jpg", tarfile.LNKTYPE, b""),
            ("soft.jpg", tarfile.SYMTYPE, b""),
            ("pipe.jpg", tarfile.FIFOTYPE, b""),
            ("a.jpg", tarfile.REGTYPE, B),
            ("none.jpg", tarfile.REGTYPE, b""),
            ("large.jpg", tarfile.REGTYPE, bytes(2001)),
            ("soft.txt", tarfile.SYMTYPE, b""),
        ):
            header = tarfile.TarInfo(name)
            header.type, header.size, header.linkname = kind, len(content), "/etc/passwd"
            tar.addfile(header, io.BytesIO(content))
    assert _read(path) == [
        ("a.jpg", A),
        ("hard.jpg", "not_a_file"),
        ("soft.jpg", "not_a_file"),
        ("pipe.jpg", "not_a_file"),
        ("a.jpg@3584", "name_taken"),
        ("none.jpg", b""),
        ("large.jpg", "too_large_bytes"),
        "soft.txt",
    ]


def _damaged_tars(path: Path) -> dict[str, tuple[bytes, list[Any], str]]:
    """Content, members that are left, and where it breaks. The archive: 512 + 1024, 512 + 1024."""
    write_tar(path, [("a.jpg", A), ("b.jpg", B)])
    whole = path.read_bytes()
    wrong = bytearray(whole)
    wrong[1536] ^= 1
    endless = bytearray(whole)
    endless[1536 + 124 : 1536 + 136] = b"\x80" + bytes(3) + b"\x7f" + bytes(7)  # 9e18 bytes
    endless[1536 + 148 : 1536 + 156] = b" " * 8
    endless[1536 + 148 : 1536 + 156] = b"%06o\0 " % sum(endless[1536:2048])
    zipped = gzip.compress(whole, mtime=0)
    first, both = [("a.jpg", A)], [("a.jpg", A), ("b.jpg", B)]
    return {
        "in data": (whole[:2500], first, "breaks at byte 2048: unexpected end of data"),
        "in a header": (whole[:1700], first, "breaks at byte 1536: truncated header"),
        "between members": (whole[:1536], first, "breaks at byte 1536: the end mark is missing"),
        "before the end": (whole[:3072], both, "breaks at byte 3072: the end mark is missing"),
        "flipped": (bytes(wrong), first, "breaks at byte 1536: bad checksum"),
        "joined": (whole + whole, both, "more data follow the mark that ends the archive"),
        "endless": (bytes(endless), [*first, ("b.jpg", "too_large_bytes")], "ends within a member"),
        "no tar": (b"words " * 500, [], "breaks at byte 0: "),
        "empty": (b"", [], "breaks at byte 0: the end mark is missing"),
        "zipped.gz": (zipped[:-3], both, "the compressed data are damaged: Compressed file ended"),
        "checksum.gz": (zipped[:-8] + b"wrong" + zipped[-3:], both, "CRC check failed"),
        "no gzip.gz": (whole, [], "Not a gzipped file"),
    }


@pytest.mark.parametrize(
    "case",
    [
        "in data",
        "in a header",
        "between members",
        "before the end",
        "flipped",
        "joined",
        "endless",
        "no tar",
        "empty",
        "zipped.gz",
        "checksum.gz",
        "no gzip.gz",
    ],
)
def test_a_damaged_tar_yields_what_is_good_and_one_failure(tmp_path: Path, case: str) -> None:
    content, good, where = _damaged_tars(tmp_path / "whole.tar")[case]
    path = tmp_path / ("x.tar.gz" if case.endswith(".gz") else "x.tar")
    path.write_bytes(content)
    assert _read(path) == [*good, ("", "damaged_shard")]
    *_, last = read_members(ImageRef(str(path)), image_key=None, max_bytes=2000)
    assert isinstance(last, Failure)
    assert where in last.message
    assert (last.uri, last.size, last.version) == (str(path), None, None)


def test_gnu_tar_writes_what_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    name = "é" * 60 + "/" + "long " * 30 + ".jpg"
    (folder / name).parent.mkdir(parents=True)
    (folder / name).write_bytes(A)
    os.link(folder / name, folder / "z.jpg")
    for format in ("gnu", "posix"):
        path = tmp_path / f"{format}.tar"
        command = ["tar", f"--format={format}", "--sort=name", "-C", str(folder), "-cf", str(path)]
        subprocess.run([*command, "."], check=True)
        (kept,) = [found for found in _read(path) if found[1] == A]
        (link,) = [found for found in _read(path) if found[1] != A]
        assert {kept[0], link[0]} == {f"./{name}", "./z.jpg"}
        assert link[1] == "not_a_file"


@pytest.mark.parametrize("zipped", [False, True])
def test_tfrecord_yields_a_picture_a_record(tmp_path: Path, zipped: bool) -> None:
    path = tmp_path / ("x.tfrecord.gz" if zipped else "x.tfrecord")
    rows: list[dict[str, Any]] = [
        {
            "image/encoded": A,
            "image/filename": b"a.jpg",
            "image/class/label": 7,
            "image/object/bbox/xmin": [0.5, 0.25],
            "image/mask": b"\x89PNG\xff",
        },
        {"image/encoded": B, "other": C},
    ]
    write_tfrecord(path, rows, zipped=zipped)
    assert _read(path) == [("0", A), ("1", B)]
    assert _metas(path) == [
        {"image/class/label": 7, "image/filename": "a.jpg", "image/object/bbox/xmin": [0.5, 0.25]},
        {"other": "ccccc"},
    ]
    assert _read(path, image_key="other") == [("0", "no_pictures"), ("1", C)]


def test_tfrecord_names_what_there_is_instead(tmp_path: Path) -> None:
    path = tmp_path / "x.tfrecord"
    write_tfrecord(path, [{"jpeg": A, "image/encoded": [C, C]}])
    failure = _failure(path)
    assert failure.uri == f"{path}#0"
    assert failure.message == (
        "2 values of bytes in the feature 'image/encoded', expected one; --image-key names another."
        " There are: image/encoded, jpeg"
    )


def test_a_damaged_tfrecord_goes_on_where_it_can(tmp_path: Path) -> None:
    path = tmp_path / "x.tfrecord"
    write_tfrecord(
        path, [{"image/encoded": A}, {"image/encoded": bytes(2001)}, {"image/encoded": B}]
    )
    whole = path.read_bytes()
    second = 16 + int.from_bytes(whole[:8], "little")
    third = second + 16 + int.from_bytes(whole[second : second + 8], "little")
    large = ("1", "too_large_bytes")
    for position, expected in (
        (30, [("0", "damaged_shard"), large, ("2", B)]),
        (second, [("0", A), ("", "damaged_shard")]),
        (third + 9, [("0", A), large, ("", "damaged_shard")]),
    ):
        flipped = bytearray(whole)
        flipped[position] ^= 4
        path.write_bytes(flipped)
        assert _read(path) == expected
    for cut, good in (
        (second + 5, [("0", A)]),
        (third - 1, [("0", A)]),
        (third, [("0", A), large]),
    ):
        path.write_bytes(whole[:cut])
        assert _read(path) == good + ([("", "damaged_shard")] if cut != third else [])
    path.write_bytes(whole[: second + 5])
    assert _failure(path).message == f"the file ends within the record at byte {second}"


def test_parquet_yields_a_picture_a_row(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pictures = pa.array([{"bytes": A, "path": "a.jpg"}, {"bytes": None, "path": "b"}], HUGGING_FACE)
    write_parquet(path, {"image": pictures, "label": [3, 4], "day": [None, "Mo"]})
    assert _read(path) == [("0", A), ("1", "empty")]
    assert _metas(path) == [{"image.path": "a.jpg", "label": 3}]
    write_parquet(path, {"jpg": [A, bytes(2001), B], "n": [1.5, 2.5, float("nan")]}, rows_a_group=2)
    assert _read(path) == [("0", A), ("1", "too_large_bytes"), ("2", B)]
    assert _metas(path) == [{"n": 1.5}, {"n": None}]


@pytest.mark.parametrize(
    ("columns", "image_key", "message"),
    [
        ({"n": [1]}, None, "no column of picture bytes; there are: n"),
        ({"a": [A], "b": [B]}, None, "several columns hold bytes: a, b; --image-key chooses one"),
        ({"a": [A], "n": [1]}, "n", "no column 'n' of picture bytes; there are: a, n"),
    ],
)
def test_parquet_without_a_clear_column_is_one_failure(
    tmp_path: Path, columns: dict[str, Any], image_key: str | None, message: str
) -> None:
    path = tmp_path / "x.parquet"
    write_parquet(path, columns)
    (failure,) = read_members(ImageRef(str(path)), image_key=image_key, max_bytes=2000)
    assert isinstance(failure, Failure)
    assert (failure.uri, failure.reason, failure.message) == (str(path), "no_pictures", message)


def test_damaged_parquet_yields_its_good_row_groups(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    write_parquet(path, {"jpg": [A, B, C, A], "n": [1, 2, 3, 4]}, rows_a_group=1)
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[whole.index(B)] ^= 1
    path.write_bytes(flipped)
    assert _read(path) == [("0", A), ("2", C), ("3", A), ("", "damaged_shard")]
    assert _failure(path).message.startswith("the file breaks at row 1: ")
    for content in (b"no parquet", b"", whole[: len(whole) // 2]):
        path.write_bytes(content)
        assert _read(path) == [("", "damaged_shard")]


@pytest.mark.parametrize("name", ["x.tar", "x.tfrecord", "x.parquet"])
def test_a_shard_that_cannot_be_read_is_one_failure(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    assert _read(path) == [("", "not_found")]
    subprocess.run(["mkfifo", path], check=True)
    assert _read(path) == [("", "not_a_file")]


def test_a_shard_without_pictures_says_so(tmp_path: Path) -> None:
    write_tar(tmp_path / "x.tar", [("a.md", b"x")])
    assert _read(tmp_path / "x.tar") == ["a.md", ("", "no_pictures")]
    (tmp_path / "x.tfrecord").write_bytes(b"")
    assert _read(tmp_path / "x.tfrecord") == [("", "no_pictures")]
    write_parquet(tmp_path / "x.parquet", {"jpg": pa.array([], pa.binary())})
    assert _read(tmp_path / "x.parquet") == [("", "no_pictures")]
