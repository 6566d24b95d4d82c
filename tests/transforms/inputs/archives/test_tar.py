"""Pictures of a tar archive."""

from __future__ import annotations

import gzip
import io
import os
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest

import transforms.inputs.archives.samples
from tests.helpers.archives import (
    A,
    B,
    C,
    members_of,
    metas_of,
    only_failure,
    write_tar,
)
from transforms.inputs.archives import tar
from transforms.inputs.archives.members import read_members
from transforms.records import Failure, ImageRef


@pytest.mark.parametrize(
    ("name", "mode"), [("x.tar", "w"), ("x.tar.gz", "w:gz"), ("x.tgz", "w:gz")]
)
def test_tar_yields_pictures_and_counts_the_rest(tmp_path: Path, name: str, mode: str) -> None:
    path = tmp_path / name
    write_tar(
        path, [("a.jpg", A), ("sub/deep/b.PNG", B), ("notes.md", b"x"), ("c.webp", C)], mode=mode
    )
    assert members_of(path) == [("a.jpg", A), ("sub/deep/b.PNG", B), "notes.md", ("c.webp", C)]


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
    assert metas_of(path, meta='{"split": "train", "cls": "old"}') == [
        {"split": "train", "cls": 7, "json": {"w": None, "tags": ["x"]}, "txt": "ein Bär"},
        {"split": "train", "cls": "tabby", "more.json": "{broken"},
        {"split": "train", "cls": "tabby", "more.json": "{broken"},
        {"split": "train", "cls": "old"},
        {"split": "train", "cls": "old"},
    ]
    assert [item for item in members_of(path) if isinstance(item, str)] == ["d/2.cls", "d/4.txt"]


def test_a_sample_that_is_too_large_to_hold_goes_on_without_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transforms.inputs.archives.samples, "_HELD_BYTES", 1500)
    path = tmp_path / "x.tar"
    write_tar(path, [("f.1.jpg", A), ("f.2.jpg", B), ("f.3.jpg", C), ("f.cls", b"1")])
    assert metas_of(path) == [None, None, {"cls": 1}]


@pytest.mark.parametrize(
    "name",
    ["../../etc/a.jpg", "/etc/a.jpg", "a\nb\x1b[31m.jpg", "C:\\a.jpg", "caf\udce9.jpg", "a#b.jpg"],
)
def test_a_hostile_name_is_only_a_name(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "inside"
    folder.mkdir()
    write_tar(folder / "x.tar", [(name, A)])
    assert members_of(folder / "x.tar") == [(name, A)]
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
    assert members_of(path) == [
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
    ],
)
def test_a_damaged_tar_yields_what_is_good_and_one_failure(tmp_path: Path, case: str) -> None:
    content, good, where = _damaged_tars(tmp_path / "whole.tar")[case]
    path = tmp_path / ("x.tar.gz" if case.endswith(".gz") else "x.tar")
    path.write_bytes(content)
    assert members_of(path) == [*good, ("", "damaged_shard")]
    *_, last = read_members(ImageRef(str(path)), image_key=None, max_bytes=2000)
    assert isinstance(last, Failure)
    assert where in last.message
    assert (last.uri, last.size, last.version) == (str(path), None, None)


def test_the_list_that_pixz_puts_behind_an_archive_is_none_of_it(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    write_tar(path, [("a.jpg", A)])
    names = bytes.fromhex("a64c322ed614aedb") + b"a.jpg\0" + bytes(8)  # as pixz 1.0.7 writes it
    path.write_bytes(path.read_bytes() + names)
    assert members_of(path) == [("a.jpg", A)]


def test_zeros_behind_the_end_are_not_walked_through_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.tar"
    write_tar(path, [("a.jpg", A)])
    path.write_bytes(path.read_bytes() + bytes(300_000) + b"more")
    assert "more data follow the mark" in only_failure(path).message
    monkeypatch.setattr(tar, "_MAX_PADDING", 200_000)
    assert len(members_of(path)) == 1


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
        (kept,) = [found for found in members_of(path) if found[1] == A]
        (link,) = [found for found in members_of(path) if found[1] != A]
        assert {kept[0], link[0]} == {f"./{name}", "./z.jpg"}
        assert link[1] == "not_a_file"
