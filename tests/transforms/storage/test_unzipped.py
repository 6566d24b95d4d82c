"""Objects that are stored as gzip: lists, archives of every kind, random access."""

from __future__ import annotations

import errno
import gzip
import io
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deploy.emulator import Cloud
from tests.helpers.archives import A, B, write_tar, write_zip
from transforms.failures import Reason
from transforms.inputs.archives.members import Member, read_members
from transforms.inputs.input_lists import list_rows
from transforms.inputs.listing import list_input
from transforms.records import Failure, ImageRef
from transforms.storage import unzipped as module
from transforms.storage.unzipped import unzipped, unzipped_stream

WHOLE = bytes(range(256)) * 1000


def test_streams_seek_to_everywhere() -> None:
    file = unzipped_stream(io.BytesIO(gzip.compress(WHOLE, mtime=0)), "x")
    assert file.read(10) == WHOLE[:10]
    assert file.seek(0) == 0
    assert file.read(3) == WHOLE[:3]
    assert file.seek(0, io.SEEK_END) == len(WHOLE)
    file.seek(-5, io.SEEK_END)
    assert file.read() == WHOLE[-5:]
    file.seek(100)
    assert (file.read(7), file.tell()) == (WHOLE[100:107], 107)
    file.close()
    assert file.closed


def test_what_only_says_that_it_is_gzip_is_as_it_is() -> None:
    for content in (b"no gzip", b"\x1f", b""):
        assert unzipped_stream(io.BytesIO(content), "x").read() == content
        assert unzipped(content, "x", max_bytes=7) == content


def test_several_members_are_one_content() -> None:
    packed = gzip.compress(WHOLE[:9], mtime=0) + gzip.compress(WHOLE[9:], mtime=0)
    assert unzipped(packed, "x", max_bytes=len(WHOLE)) == WHOLE
    with pytest.raises(OSError, match="the limit is 8"):
        unzipped(packed, "x", max_bytes=8)
    with pytest.raises(OSError, match="the limit is 9"):
        unzipped(packed, "x", max_bytes=9)


def test_what_is_damaged_and_what_bursts_are_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    packed = gzip.compress(WHOLE, mtime=0)
    damaged = packed[:50] + b"?" * 50
    with pytest.raises(OSError, match="stored as gzip, and that is damaged") as raised:
        unzipped(damaged, "x", max_bytes=len(WHOLE))
    assert Reason.from_os_error(raised.value) is Reason.CORRUPT
    for content in (damaged, packed[:100], packed[:-3]):
        with pytest.raises(OSError, match="stored as gzip, and that is damaged"):
            unzipped_stream(io.BytesIO(content), "x").read()
        with pytest.raises(OSError, match="stored as gzip, and that is damaged"):
            unzipped_stream(io.BytesIO(content), "x").seek(0, io.SEEK_END)
    monkeypatch.setattr(module, "MOST_UNPACKED", 1000)
    with pytest.raises(OSError, match="the limit is 1000") as raised:
        unzipped_stream(io.BytesIO(packed), "x").seek(0, io.SEEK_END)
    assert raised.value.errno == errno.EFBIG
    with pytest.raises(OSError, match="the limit is 1000"):
        unzipped(packed, "x", max_bytes=1000)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("l.csv", b"uri,n\na.jpg,1\n"),
        ("l.csv.gz", gzip.compress(b"uri,n\na.jpg,1\n", mtime=0)),  # packed twice
        ("l.csv.gz", b"uri,n\na.jpg,1\n"),
        ("l.jsonl", b'{"uri": "a.jpg", "n": "1"}\n'),
        ("l.json", b'[{"uri": "a.jpg", "n": "1"}]'),
        ("l.parquet", None),
    ],
)
def test_lists_are_decoded(cloud: Cloud, name: str, content: bytes | None) -> None:
    if content is None:
        sink = io.BytesIO()
        pq.write_table(pa.table({"uri": ["a.jpg"], "n": ["1"]}), sink)
        content = sink.getvalue()
    uri = cloud.put(name, gzip.compress(content, mtime=0), encoding="gzip")
    expected = [ImageRef("gs://bkt/a.jpg", '{"n": "1"}')]
    assert list(list_rows(uri)) == expected
    assert list(list_input(uri)) == expected


@pytest.mark.parametrize("name", ["x.tar", "x.tar.gz", "x.zip", "x.parquet"])
def test_archives_are_decoded(cloud: Cloud, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name == "x.zip":
        write_zip(path, {"a.jpg": A, "b.jpg": B})
    elif name == "x.parquet":
        pq.write_table(pa.table({"image": [A, B]}), path, row_group_size=1)
    else:
        write_tar(path, [("a.jpg", A), ("b.jpg", B)], mode="w:gz" if name[-2:] == "gz" else "w")
    uri = cloud.put(name, gzip.compress(path.read_bytes()), encoding="gzip")
    found = list(read_members(ImageRef(uri), image_key=None, max_bytes=2000))
    assert [each.data for each in found if isinstance(each, Member)] == [A, B]
    assert len(found) == 2


def test_an_archive_whose_gzip_is_damaged_is_one_failure(cloud: Cloud) -> None:
    uri = cloud.put("x.tar", b"\x1f\x8bno gzip at all" * 100, encoding="gzip")
    (failure,) = read_members(ImageRef(uri), image_key=None, max_bytes=2000)
    assert isinstance(failure, Failure)
    assert (failure.reason, failure.message) == ("corrupt", "stored as gzip, and that is damaged")
