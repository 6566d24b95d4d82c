from __future__ import annotations

from pathlib import Path

from transforms.inputs.archives.finished import (
    FinishedArchive,
    as_counts,
    counts_of,
    read_finished,
    write_finished,
)
from transforms.inputs.skips import Count

RECORD = FinishedArchive(
    "/a/b.tar", "17", 3, {"text": [2, "/a/b.tar#x.txt"]}, {"keys of cls": [1, "/a/b.tar"]}
)


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = str(tmp_path / "records")
    write_finished(path, [RECORD, RECORD._replace(uri="/é\\xff.tar")])
    assert list(read_finished(path)) == [RECORD, RECORD._replace(uri="/é\\xff.tar")]


def test_counts_are_those_of_a_run() -> None:
    counts = {"text": Count(2, "x.txt")}
    assert as_counts(counts) == {"text": [2, "x.txt"]}
    assert dict(counts_of(as_counts(counts))) == counts


def test_what_is_damaged_is_no_record(tmp_path: Path) -> None:
    path = str(tmp_path / "records")
    good = b'["/a.tar", "1", 2, {}, {}]'
    lines = [
        *(b"", b"{", b"[]", b"1", b"null", b"\xff", b'{"uri": 1}', b"[" * 10_000, good[:-1]),
        *(b'[1, "1", 2, {}, {}]', b'["/a", 1, 2, {}, {}]', b'["/a", "1", "2", {}, {}]'),
        *(b'["/a", "1", 2, [], {}]', b'["/a", "1", 2, {"k": 1}, {}]'),
        *(b'["/a", "1", 2, {"k": ["x", "e"]}, {}]', b'["/a", "1", 2, {"k": [1, 2]}, {}]'),
        *(b'["/a", "1", 2, {}, {}, 0]', good),
    ]
    (tmp_path / "records").write_bytes(b"\n".join(lines))
    assert list(read_finished(path)) == [FinishedArchive("/a.tar", "1", 2, {}, {})]
