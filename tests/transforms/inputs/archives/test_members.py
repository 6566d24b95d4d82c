from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pyarrow as pa
import pytest

from tests.helpers.archives import (
    A,
    members_of,
    write_parquet,
    write_tar,
)
from transforms.inputs.archives.kinds import archive_kind
from transforms.inputs.archives.members import Member, read_members
from transforms.records import ImageRef


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


def test_a_member_has_its_own_size_and_the_version_of_its_shard(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    write_tar(path, [("a.jpg", A)])
    os.utime(path, ns=(1, 1234567890123456789))
    (member,) = read_members(ImageRef(str(path)), image_key=None, max_bytes=2000)
    assert member == Member(ImageRef(f"{path}#a.jpg", None, 700, "1234567890123456789"), A)


@pytest.mark.parametrize("name", ["x.tar", "x.tfrecord", "x.parquet"])
def test_a_shard_that_cannot_be_read_is_one_failure(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    assert members_of(path) == [("", "not_found")]
    subprocess.run(["mkfifo", path], check=True)
    assert members_of(path) == [("", "not_a_file")]


def test_a_shard_without_pictures_says_so(tmp_path: Path) -> None:
    write_tar(tmp_path / "x.tar", [("a.md", b"x")])
    assert members_of(tmp_path / "x.tar") == ["a.md", ("", "no_pictures")]
    (tmp_path / "x.tfrecord").write_bytes(b"")
    assert members_of(tmp_path / "x.tfrecord") == [("", "no_pictures")]
    write_parquet(tmp_path / "x.parquet", {"jpg": pa.array([], pa.binary())})
    assert members_of(tmp_path / "x.parquet") == [("", "no_pictures")]
