"""Tables of a user: what each row says, and what is wrong with a whole table."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from transforms.errors import UserError
from transforms.inputs.tables import TableRow, table_kind, table_rows


def _rows(path: Path, content: bytes) -> list[TableRow]:
    path.write_bytes(content)
    return list(table_rows(str(path)))


def _contents(path: Path, content: bytes) -> list[Any]:
    """What the rows say; of those that cannot be read their places."""
    return [row.content if row.problem is None else row.where for row in _rows(path, content)]


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("t.tsv", b"uri\tt\na,b\t1\nc\t\n", [{"uri": "a,b", "t": "1"}, {"uri": "c", "t": ""}]),
        ("t.tsv", b'uri\tt\na\t"x\ty"\nb\t"z\nc\t3\n', [{"uri": "a", "t": "x\ty"}, "line 3"]),
        ("t.csv", b"uri\tt\na\t1\n", [{"uri": "a", "t": "1"}]),
        ("t.csv", b"uri,a\tb\nx,1\n", [{"uri": "x", "a\tb": "1"}]),
        ("t.tsv", b"uri\na\n", [{"uri": "a"}]),
        ("t.ndjson", b'{"n": 1}\n', [{"n": 1}]),
        ("t.json", b'{"n": 1}\n\n{"n": 2}\n', [{"n": 1}, {"n": 2}]),
        ("t.json", b'\n[\n {"n": [1]},\n {"n": "]"} ]\n', [{"n": [1]}, {"n": "]"}]),
        ("t.json", b"[]", []),
        ("t.json", b" ", []),
        ("t.csv", b"", []),
        ("t.tsv", b"\r\n\n", []),
        ("t.json", b'[{"n": 1}] \n', [{"n": 1}]),
        ("t.json", b'[{"n": 1}]\n[{"n": 2}]', [{"n": 1}, "row 1"]),
        ("t.json", b'[{"n": 1}, {"n": ', [{"n": 1}, "row 1"]),
        ("t.json", b'[{"n": 1}, {"n": 1, "n": 2}, {}]', [{"n": 1}, "row 1"]),
    ],
)
def test_rows_are_what_the_file_says(
    tmp_path: Path, name: str, content: bytes, expected: list[Any]
) -> None:
    found = _contents(tmp_path / name, content)
    assert found[: len(expected)] == expected
    assert _contents(tmp_path / f"{name}.gz", gzip.compress(content)) == found
    assert _contents(tmp_path / name, gzip.compress(content)) == found  # told by its bytes


def test_a_tsv_keeps_the_rows_after_a_stray_quote(tmp_path: Path) -> None:
    found = _contents(tmp_path / "t.tsv", b'uri\tt\na\t"x\nb\t2\nc\t3\n')
    assert found == ["line 2", {"uri": "b", "t": "2"}, {"uri": "c", "t": "3"}]


def test_a_list_of_json_is_read_in_pieces(tmp_path: Path) -> None:
    objects = ",\n".join(f'{{"n": {n}, "x": "{"y" * 1000}"}}' for n in range(500))
    found = _contents(tmp_path / "t.json", f"[{objects}]".encode())
    assert [row["n"] for row in found] == list(range(500))


@pytest.mark.parametrize("cut", [30, 200])
@pytest.mark.parametrize("name", ["t.csv.gz", "t.txt.gz", "t.jsonl.gz", "t.json.gz"])
def test_a_compressed_table_that_is_cut_says_so(tmp_path: Path, name: str, cut: int) -> None:
    lines = {
        "t.csv.gz": ["uri", *(f"{n * 7919 % 1009}.jpg" for n in range(300))],
        "t.txt.gz": [f"{n * 7919 % 1009}.jpg" for n in range(300)],
        "t.jsonl.gz": [f"[{n * 7919 % 1009}]" for n in range(300)],
        "t.json.gz": ["[", *(f"[{n * 7919 % 1009}]," for n in range(300)), "[1]]"],
    }[name]
    content = gzip.compress("\n".join(lines).encode())
    rows = _rows(tmp_path / name, content[:-cut])
    assert [row.problem is None for row in rows] == [True] * (len(rows) - 1) + [False]
    assert "break" in (rows[-1].problem or "")


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("t.txt", "a.jpg\n".encode("utf-32"), "the file is UTF-32. Save it as UTF-8."),
        ("t.txt", "a.jpg\n".encode("utf-32-be"), "the file is UTF-32. Save it as UTF-8."),
        ("t.csv", "uri,n\n".encode("utf-16"), "the file is UTF-16. Save it as UTF-8."),
        ("t.csv", "uri,n\n".encode("utf-16-le"), "the file is UTF-16. Save it as UTF-8."),
        ("t.csv", gzip.compress("uri,n\n".encode("utf-16"), mtime=0), "the file is UTF-16."),
        ("t.csv", b"uri;title\na;b\n", "separated by semicolons (;). Separate them by commas"),
        ("t.csv", b'uri;"a, b"\na;b\n', None),
        ("t.csv", b"uri|title\na|b\n", "separated by vertical bars (|). Separate them by commas"),
        ("t.csv", b"sep=;\nuri;title\n", "the first line, 'sep=;', tells spreadsheets"),
        ("t.csv", b"sep=,\nuri,title\n", "Delete this line"),
        ("t.tsv", b"uri,title\n", "separated by commas. Separate them by tabs, or call the file"),
        ("t.json", b'{\n  "n": 1\n}\n', "neither a list of objects nor an object a line"),
        ("t.csv", b"uri,n,n\n", "more than one column is called 'n'"),
        ("t.csv", b'uri,"n\na\n', "the first line cannot be read"),
    ],
)
def test_what_makes_a_whole_table_doubtful_is_named(
    tmp_path: Path, name: str, content: bytes, expected: str | None
) -> None:
    if expected is None:
        assert _contents(tmp_path / name, content) != []
        return
    with pytest.raises(UserError) as raised:
        _rows(tmp_path / name, content)
    assert str(raised.value).startswith(f"{tmp_path}/{name}: ")
    assert expected in str(raised.value)


def test_a_number_without_end_is_told_in_our_words(tmp_path: Path) -> None:
    row = _rows(tmp_path / "t.jsonl", b'{"n": ' + b"9" * 5000 + b"}")[0]
    assert row.problem == (
        "the line is no JSON that can be read: a number of 5,000 digits; write it as a text, in "
        "quotes"
    )
    row = _rows(tmp_path / "t.json", b'[{"n": ' + b"9" * 5000 + b"}]")[0]
    assert "a number of 5,000 digits" in (row.problem or "")
    assert "sys." not in (row.problem or "")


def test_parquet_rows_are_counted_from_zero(tmp_path: Path) -> None:
    pq.write_table(pa.table({"n": [5, 6]}), tmp_path / "t.parquet")
    assert list(table_rows(str(tmp_path / "t.parquet"))) == [
        TableRow("row 0", {"n": 5}),
        TableRow("row 1", {"n": 6}),
    ]


@pytest.mark.parametrize(("path", "kind"), [("a/B.CSV.gz", ".csv"), ("x.tar.gz", ".tar")])
def test_the_kind_of_a_table_is_its_extension_before_gz(path: str, kind: str) -> None:
    assert table_kind(path) == kind
