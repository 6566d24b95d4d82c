"""What archives may hold that once ended a run: it costs its own row or less."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.helpers.archives import write_tar, write_tfrecord
from transforms.inputs.archives.members import Found, Member, read_members
from transforms.inputs.archives.parquet import parquet_content
from transforms.inputs.skips import Skipped
from transforms.records import Failure, ImageRef

PNG = b"\x89PNG\r\n\x1a\n"


def _found(path: Path) -> list[Found]:
    return list(read_members(ImageRef(str(path)), image_key=None, max_bytes=10_000))


def _outcomes(path: Path) -> list[tuple[str, str]]:
    outcomes = []
    for found in _found(path):
        if isinstance(found, Member):
            outcomes.append((found.ref.uri.partition("#")[2], "picture"))
        elif isinstance(found, Failure):
            outcomes.append((found.uri.partition("#")[2], found.reason))
        elif isinstance(found, Skipped):
            outcomes.append((found.path, found.kind))
    return outcomes


def test_columns_beside_pictures_may_hold_anything(tmp_path: Path) -> None:
    bytes_ = pa.array([b"caf\xe9", b"b"]).buffers()
    table = pa.table(
        {
            "image": [PNG, PNG],
            "text": pa.Array.from_buffers(pa.string(), 2, bytes_),
            "late": pa.array([4_000_000, None], pa.date32()),
            "mars": pa.array([None, 6], pa.timestamp("us", "Mars/Base")),
        }
    )
    pq.write_table(table, tmp_path / "x.parquet")
    one, other = _found(tmp_path / "x.parquet")
    assert isinstance(one, Member)
    assert isinstance(other, Member)
    assert json.loads(one.ref.meta or "") == {
        "text": "caf\N{REPLACEMENT CHARACTER}",
        "late": "12921-08-18",
    }
    assert json.loads(other.ref.meta or "") == {"text": "b", "mars": "1970-01-01 00:00:00.000006"}


def test_a_sibling_nested_without_end_is_cut(tmp_path: Path) -> None:
    for depth in (900, 100_000):
        nested = b"[" * depth + b"]" * depth
        write_tar(tmp_path / "x.tar", [("a.jpg", PNG), ("a.json", nested[:60_000]), ("b.jpg", PNG)])
        assert _outcomes(tmp_path / "x.tar") == [("a.jpg", "picture"), ("b.jpg", "picture")]


def test_headers_that_announce_headers_end_their_archive_only(tmp_path: Path) -> None:
    with io.BytesIO() as file:
        with tarfile.open(fileobj=file, mode="w") as tar:
            header = tarfile.TarInfo("a.jpg")
            header.size = len(PNG)
            tar.addfile(header, io.BytesIO(PNG))
        first = file.getvalue()[:1024]
    long_name = tarfile.TarInfo("././@LongLink")
    long_name.type, long_name.size = tarfile.GNUTYPE_LONGNAME, 2
    block = long_name.tobuf(tarfile.GNU_FORMAT) + b"x\0".ljust(512, b"\0")
    (tmp_path / "x.tar").write_bytes(first + block * 3000 + bytes(1024))
    assert _outcomes(tmp_path / "x.tar") == [("a.jpg", "picture"), ("", "damaged_shard")]


def test_a_tar_names_what_it_holds_besides_pictures(tmp_path: Path) -> None:
    names = [
        "./a.jpg",
        "b.heic",
        "b.jls",
        "c.x3f",
        "d.7z",
        "e.tar",
        "._a.jpg",
        "__MACOSX/a.jpg",
        "n.md",
        ".x/f",
    ]
    write_tar(tmp_path / "x.tar", [(name, PNG) for name in names])
    assert _outcomes(tmp_path / "x.tar") == [
        ("./a.jpg", "picture"),
        ("b.heic", "picture"),  # its content tells
        ("b.jls", "picture"),
        ("c.x3f", "unsupported_format"),
        ("d.7z", "unsupported_format"),
        ("e.tar", "unsupported_format"),
        ("._a.jpg", "hidden"),
        ("__MACOSX/a.jpg", "hidden"),
        ("n.md", "text"),
        (".x/f", "hidden"),
    ]


@pytest.mark.parametrize("image_key", [None, "g"])
def test_bytes_that_are_no_pictures_are_one_failure(tmp_path: Path, image_key: str | None) -> None:
    pq.write_table(pa.table({"g": [bytes(21)] * 100}), tmp_path / "x.parquet")
    ref = ImageRef(str(tmp_path / "x.parquet"))
    found = list(read_members(ref, image_key=image_key, max_bytes=10_000))
    assert len(found) == (1 if image_key is None else 100)
    if image_key is None:
        assert isinstance(found[0], Failure)
        assert (found[0].uri, found[0].reason) == (ref.uri, "no_pictures")
        assert "the bytes in the column 'g' are no pictures" in found[0].message


@pytest.mark.parametrize("name", ["image", "blob", ""])
@pytest.mark.parametrize("other", [PNG, "text"])
def test_two_columns_of_one_name_are_one_failure(
    tmp_path: Path, name: str, other: bytes | str
) -> None:
    table = pa.Table.from_arrays([pa.array([PNG]), pa.array([other])], names=[name, name])
    pq.write_table(table, tmp_path / "x.parquet")
    assert parquet_content(str(tmp_path / "x.parquet"), image_key=None) == "pictures"
    (failure,) = _found(tmp_path / "x.parquet")
    assert isinstance(failure, Failure)
    assert (failure.reason, failure.message) == (
        "no_pictures",
        f"several columns are called {name!r}; give each a name of its own",
    )


def test_records_of_ours_are_one_skip_each_and_no_failure(tmp_path: Path) -> None:
    row = {"image/filename": b"/a.jpg", "top": [1], "embedding": [0.5]}
    from transforms.rows.formats import FEATURE_KEYS

    keys = [FEATURE_KEYS[name] for name in ("uri", "top_class_ids", "embedding")]
    write_tfrecord(tmp_path / "x.tfrecord", [dict(zip(keys, row.values(), strict=True))])
    assert _found(tmp_path / "x.tfrecord") == [Skipped("0", "results")]
