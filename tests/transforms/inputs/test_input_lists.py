"""Rows of input lists: each is a reference or a failure, and none is swallowed."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from transforms.errors import UserError
from transforms.inputs.input_lists import list_rows
from transforms.inputs.tables import MAX_CELL
from transforms.records import Failure, ImageRef


def _listed(path: Path, content: bytes) -> list[str]:
    """File names of the references, `!line` of the failures."""
    path.write_bytes(content)
    return [
        f"!{item.uri.rpartition('#')[2]}" if isinstance(item, Failure) else Path(item.uri).name
        for item in list_rows(str(path))
        if isinstance(item, (ImageRef, Failure))
    ]


def test_a_stray_quote_costs_its_own_row(tmp_path: Path) -> None:
    lines = [f"{n}.jpg,title {n}" for n in range(12)]
    lines[3] = "3.jpg,\"Sunset, 5 o'clock"
    expected = [f"{n}.jpg" for n in range(12)]
    expected[3] = "!line 5"
    content = "\n".join(["uri,title", *lines, ""]).encode()
    assert _listed(tmp_path / "l.csv", content) == expected
    # A second one would close the cell of the first, eight lines below.
    lines[8] = '8.jpg,"Dawn'
    expected[8] = "!line 10"
    content = "\n".join(["uri,title", *lines, ""]).encode()
    assert _listed(tmp_path / "l.csv", content) == expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b'uri,t\na.jpg,"x\ny"\nb.jpg,"z ""q"""\n', ["a.jpg", "b.jpg"]),
        (b"uri,t\na.jpg\nb.jpg,x,y\nc.jpg,x\n", ["!line 2", "!line 3", "c.jpg"]),
        (b"uri,t\ra.jpg,x\rb.jpg,y\r", ["a.jpg", "b.jpg"]),
        (b'uri,t\n\na.jpg,"x" y\nb.jpg,z\n', ["!line 3", "b.jpg"]),
        (b"uri,t\na\0.jpg,x\nb.jpg,a\0b\n", ["!line 2", "b.jpg"]),
        (b'uri,t\na.jpg,x\nb.jpg,"y', ["a.jpg", "!line 3"]),
        (b"\xef\xbb\xbfuri,t\na.jpg,x\n", ["a.jpg"]),
        (b"uri,t\na.jpg,x\n\xef\xbb\xbfuri,t\nb.jpg,y\n", ["a.jpg", "\ufeffuri", "b.jpg"]),
        (b"uri,t\na.jpg," + b"x" * 200_000 + b"\nb.jpg,y\n", ["a.jpg", "b.jpg"]),
        (b"uri,t\na.jpg," + b"x" * (MAX_CELL + 1) + b"\nb.jpg,y\n", ["!line 2", "b.jpg"]),
    ],
    ids=["valid", "cells", "cr", "after", "nul", "end", "bom", "joined", "long", "too-long"],
)
def test_csv_is_read_as_a_strict_reader_does(
    tmp_path: Path, content: bytes, expected: list[str]
) -> None:
    assert _listed(tmp_path / "l.csv", content) == expected


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("l.csv", b"uri,n,n\na,1,2\n", "more than one column is called 'n'"),
        ("l.csv", b"uri,uri\na,b\n", "more than one column is called 'uri'"),
        ("l.csv", b'uri,"n\na,b\n', "the first line cannot be read"),
        ("l.csv", "uri,n\na,b\n".encode("utf-16"), "is UTF-16. Save it as UTF-8"),
        ("l.txt", "a.jpg\n".encode("utf-16"), "is UTF-16. Save it as UTF-8"),
    ],
)
def test_a_list_that_means_two_things_stops_before_it_starts(
    tmp_path: Path, name: str, content: bytes, expected: str
) -> None:
    with pytest.raises(UserError, match=expected):
        _listed(tmp_path / name, content)


def test_lines_end_as_they_may(tmp_path: Path) -> None:
    assert _listed(tmp_path / "l.txt", b"a.jpg\rb.jpg\r\nc.jpg\n\nd.jpg") == [
        "a.jpg",
        "b.jpg",
        "c.jpg",
        "d.jpg",
    ]


def test_json_lines_that_cannot_be_told_are_failures(tmp_path: Path) -> None:
    deep = b'{"uri": "a.jpg", "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    bent = b'{"uri": "b.jpg", "x": ' + b"[" * 900 + b"]" * 900 + b"}"
    twice = b'{"uri": "c.jpg", "uri": "d.jpg"}'
    lines = [deep, bent, twice, b'{"uri": "e.jpg"}', b'{"uri": "f\\u0000.jpg"}']
    expected = ["!line 1", "b.jpg", "!line 3", "e.jpg", "!line 5"]
    assert _listed(tmp_path / "l.jsonl", b"\n".join(lines)) == expected
    bent_row = list(list_rows(str(tmp_path / "l.jsonl")))[1]
    assert isinstance(bent_row, ImageRef)
    assert (bent_row.meta or "").count("[") == 100  # what is deeper is null


def test_values_that_python_has_no_type_for_cost_no_row(tmp_path: Path) -> None:
    """Each of them stopped `to_pylist`, and the run with it."""
    column = pa.array([b"caf\xe9.jpg", b"b.jpg"]).cast(pa.string(), safe=False)
    table = pa.table(
        {
            "uri": pa.Array.from_buffers(pa.string(), 2, column.buffers()),
            "ns": pa.array([1_577_836_800_000_000_001, None], pa.timestamp("ns")),
            "late": pa.array([4_000_000, 1], pa.date32()),
            "mars": pa.array([5, 6], pa.timestamp("us", "Mars/Base")),
            "long": pa.array([2**62, 1], pa.duration("s")),
        }
    )
    pq.write_table(table, tmp_path / "l.parquet")
    one, other = list_rows(str(tmp_path / "l.parquet"))
    assert isinstance(one, ImageRef)
    assert isinstance(other, ImageRef)
    assert (one.uri, other.uri) == (f"{tmp_path}/caf\udce9.jpg", f"{tmp_path}/b.jpg")
    assert json.loads(one.meta or "") == {
        "ns": "2020-01-01 00:00:00.000000001",
        "late": "12921-08-18",
        "mars": "1970-01-01 00:00:00.000005",
        "long": str(2**62),
    }


def test_a_parquet_list_that_breaks_gives_its_other_groups(tmp_path: Path) -> None:
    path = tmp_path / "l.parquet"
    names = [f"{n:0200d}.jpg" for n in range(4)]
    pq.write_table(
        pa.table({"uri": names}),
        path,
        row_group_size=1,
        compression="none",
        use_dictionary=False,
        write_statistics=False,
        write_page_checksum=True,
    )
    content = bytearray(path.read_bytes())
    content[content.index(names[1].encode())] ^= 1
    assert _listed(path, bytes(content)) == [names[0], "!row 1", names[2], names[3]]
