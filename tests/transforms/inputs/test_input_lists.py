"""Rows of input lists: each is a reference or a failure, and none is swallowed."""

from __future__ import annotations

import base64
import gzip
import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from transforms.errors import UserError
from transforms.inputs.input_lists import list_rows
from transforms.inputs.listing import list_input
from transforms.inputs.skips import Note
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


def _all(path: Path, content: bytes) -> list[Any]:
    """Every outcome: (uri, meta), the place of a failure, (path, kind) of a skip, notes."""
    path.write_bytes(content)
    found: list[Any] = []
    for item in list_rows(str(path)):
        if isinstance(item, ImageRef):
            found.append((item.uri.removeprefix(f"{path.parent}/"), json.loads(item.meta or "{}")))
        elif isinstance(item, Failure):
            found.append(item.uri.rpartition("#")[2])
        else:
            found.append(item.what if isinstance(item, Note) else (item.path, item.kind))
    return found


@pytest.mark.parametrize("name", ["file_name", "path", "image", "url", "URL", "File_Name", "Uri"])
def test_the_only_column_that_can_be_meant_is_taken_with_a_word(tmp_path: Path, name: str) -> None:
    expected = [f"column {name!r} as the uri", ("a.jpg", {"n": "1"}), ("b/c.jpg", {"n": "2"})]
    content = f"n,{name}\n1,a.jpg\n2,b/c.jpg\n".encode()
    assert _all(tmp_path / "l.csv", content) == expected
    assert _all(tmp_path / "l.tsv", content.replace(b",", b"\t")) == expected
    assert _all(tmp_path / "l.csv.gz", gzip.compress(content)) == expected
    lines = [{"n": "1", name: "a.jpg"}, {name: "b/c.jpg", "n": "2"}]
    text = "\n".join(map(json.dumps, lines))
    assert _all(tmp_path / "l.jsonl", text.encode()) == expected
    assert _all(tmp_path / "l.jsonl.gz", gzip.compress(text.encode())) == expected
    assert _all(tmp_path / "l.json", json.dumps(lines).encode()) == expected
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(lines), sink)
    assert _all(tmp_path / "l.parquet", sink.getvalue()) == expected
    assert list(list_input(str(tmp_path / "l.parquet")))[1:] == [
        ImageRef(f"{tmp_path}/a.jpg", '{"n": "1"}'),
        ImageRef(f"{tmp_path}/b/c.jpg", '{"n": "2"}'),
    ]


def test_a_column_uri_is_taken_without_a_word(tmp_path: Path) -> None:
    assert _all(tmp_path / "l.csv", b"uri,url\na.jpg,b.jpg\n") == [("a.jpg", {"url": "b.jpg"})]


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("l.csv", b"path,url\na,b\n", "several that may stand for it: 'path', 'url'. Call the"),
        ("l.csv", b"URL,url\na,b\n", "several that may stand for it: 'URL', 'url'."),
        ("l.csv", b"bucket,name,path\na,b,c\n", "for it: 'bucket' with 'name', 'path'."),
        ("l.csv", b"bucket,name,key\na,b,c\n", "'bucket' with 'name', 'bucket' with 'key'."),
        ("l.jsonl", b'{"path": "a", "url": "b"}\n', "several that may stand for it: 'path', 'url'"),
        ("l.jsonl", b'{"a": 1, "b": 2}\n', "no column 'uri' (found: a, b)"),
        ("l.json", b'{"a": 1}\n', "no column 'uri' (found: a)"),
        ("l.csv", b"cats/1.jpg,cat\n", "The first line looks like a row: write a line with the"),
        ("l.csv", b'"photos","a b.jpg\n', "the first line cannot be read"),
        ("l.csv", b"bucket,a.jpg\n", "no column 'uri'"),
        ("l.csv", b'"a.jpg","cat"\n', "The first line looks like a row"),
    ],
)
def test_a_list_whose_uris_nobody_can_tell_is_refused(
    tmp_path: Path, name: str, content: bytes, expected: str
) -> None:
    with pytest.raises(UserError) as raised:
        _all(tmp_path / name, content)
    assert str(raised.value).startswith(f"{tmp_path}/{name}: the ")  # one line, with its name
    assert expected in str(raised.value)


@pytest.mark.parametrize(
    "type_",
    [
        *(pa.string(), pa.large_string(), pa.string_view()),
        *(pa.binary(), pa.large_binary(), pa.binary_view(), pa.binary(9)),
        *(pa.dictionary(pa.int32(), pa.string()), pa.dictionary(pa.int16(), pa.binary())),
    ],
    ids=str,
)
@pytest.mark.parametrize("name", ["uri", "path"])
def test_uris_of_every_type_that_holds_names(tmp_path: Path, type_: pa.DataType, name: str) -> None:
    values = [b"caf\xe9.jpg", b"bbbb.jpg ", None]
    if pa.types.is_dictionary(type_):
        inner = pa.array(values).cast(type_.value_type, safe=False)
        column = pa.array(values).dictionary_encode().indices.cast(type_.index_type)
        column = pa.DictionaryArray.from_arrays(column, inner.slice(0, 2))
    elif pa.types.is_string_view(type_):
        column = pa.array(["caf\u00e9.jpg", "bbbb.jpg ", None], type_)
    else:
        width = 9 if pa.types.is_fixed_size_binary(type_) else 0
        column = pa.array([v and v.ljust(width) for v in values]).cast(type_, safe=False)
    pq.write_table(pa.table({name: column}), tmp_path / "l.parquet")
    first, second, third = [
        item for item in list_input(str(tmp_path / "l.parquet")) if not isinstance(item, Note)
    ]
    assert isinstance(first, ImageRef)
    assert first.uri.rstrip() in (f"{tmp_path}/caf\udce9.jpg", f"{tmp_path}/caf\u00e9.jpg")
    assert second == ImageRef(f"{tmp_path}/bbbb.jpg ")
    assert isinstance(third, Failure)
    assert third.uri == f"{tmp_path}/l.parquet#row 2"


@pytest.mark.parametrize("type_", [pa.int64(), pa.list_(pa.string()), pa.null()], ids=str)
def test_uris_of_another_type_are_one_line(tmp_path: Path, type_: pa.DataType) -> None:
    pq.write_table(pa.table({"uri": pa.nulls(3, type_)}), tmp_path / "l.parquet")
    with pytest.raises(UserError, match=r"the column 'uri' holds .*, and not texts\.") as raised:
        list(list_input(str(tmp_path / "l.parquet")))
    assert str(type_).partition("<")[0] in str(raised.value)


S3_ROWS = [
    ("photos", "a%20b%2Bc/d+e.jpg", ("s3://photos/a b+c/d e.jpg", {})),
    ("photos", "caf%C3%A9.PNG", ("s3://photos/caf\u00e9.PNG", {})),
    ("photos", "folder/", ("s3://photos/folder/", "other")),
    ("photos", "notes.txt", ("s3://photos/notes.txt", "text")),
    ("photos", "", "other"),
]


@pytest.mark.parametrize("header", ["", '"Bucket","Key","Size"\n', "bucket,key,size\n"])
@pytest.mark.parametrize("zipped", [False, True])
def test_an_inventory_of_s3(tmp_path: Path, header: str, zipped: bool) -> None:
    lines = [f'"{bucket}","{key}","{n}"' for n, (bucket, key, _) in enumerate(S3_ROWS)]
    content = (header + "\n".join(lines)).encode()
    found = _all(tmp_path / "l.csv", gzip.compress(content) if zipped else content)
    size = (header.rpartition(",")[2].strip().strip('"')) or "column 3"
    assert found[0].startswith("an inventory: columns ")
    assert found[1:3] == [(uri, {size: str(n)}) for n, (_, _, (uri, _)) in enumerate(S3_ROWS[:2])]
    assert found[3:5] == [S3_ROWS[2][2], S3_ROWS[3][2]]
    assert found[5][1] == "other"


def test_keys_of_an_inventory_in_parquet_are_what_they_are(tmp_path: Path) -> None:
    table = pa.table(
        {
            "bucket": ["b-1"] * 4,
            "key": ["a%20b.jpg", "old.jpg", "gone.jpg", "c+d.tar"],
            "is_latest": [True, False, True, True],
            "is_delete_marker": [False, False, True, None],
        }
    )
    sink = io.BytesIO()
    pq.write_table(table, sink)
    found = _all(tmp_path / "l.parquet", sink.getvalue())
    assert found[1][0] == "s3://b-1/a%20b.jpg"
    assert found[2:4] == [("s3://b-1/old.jpg", "superseded"), ("s3://b-1/gone.jpg", "superseded")]
    assert found[4][0] == "s3://b-1/c+d.tar"


def test_a_report_of_storage_insights(tmp_path: Path) -> None:
    content = (
        b"project,bucket,name,size,timeDeleted\n"
        b'1,bkt,"a, b%20.jpg",7,\n1,bkt,x/predictions-00000-of-00001.parquet,1,\n'
        b"1,bkt,old.jpg,7,2026-01-01T00:00:00Z\n"
    )
    assert _all(tmp_path / "l.csv", content) == [
        "an inventory: columns 'bucket' and 'name' as gs://",
        ("gs://bkt/a, b%20.jpg", {"project": "1", "size": "7", "timeDeleted": ""}),
        ("gs://bkt/x/predictions-00000-of-00001.parquet", "results"),
        ("gs://bkt/old.jpg", "superseded"),
    ]


def test_a_listing_of_gcloud_storage(tmp_path: Path) -> None:
    listing = [
        {"url": "gs://bkt/d/", "type": "prefix"},
        {"url": "gs://bkt/a b.jpg", "type": "cloud_object", "metadata": {"size": "7"}},
        {"url": "gs://bkt/a.txt", "type": "cloud_object", "metadata": {}},
        *(
            {"url": f"{url}#17", "type": "cloud_object", "metadata": metadata}
            for url, metadata in (
                ("gs://bkt/b.jpg", {"generation": "17"}),
                ("gs://bkt/old.jpg", {"generation": "17", "timeDeleted": "2026-01-01"}),
                ("gs://bkt/notes.txt", {"generation": "17"}),
                ("s3://bkt/c.jpg", {"VersionId": "17"}),
                ("gs://bkt/as.it.is", {"generation": "18"}),
            )
        ),
    ]
    assert _all(tmp_path / "l.json", json.dumps(listing, indent=2).encode()) == [
        "a listing of gcloud storage",
        (f"{tmp_path}/l.json#row 0", "other"),
        ("gs://bkt/a b.jpg", {"metadata": {"size": "7"}}),
        ("gs://bkt/a.txt", "text"),
        ("gs://bkt/b.jpg", {"metadata": {"generation": "17"}}),
        ("gs://bkt/old.jpg", "superseded"),
        ("gs://bkt/notes.txt", "text"),
        ("s3://bkt/c.jpg", {"metadata": {"VersionId": "17"}}),
        ("gs://bkt/as.it.is#17", "other"),
    ]
    described = [{"bucket": "bkt", "name": "c.jpg", "storage_url": "gs://bkt/c.jpg#17"}]
    assert _all(tmp_path / "l.json", json.dumps(described).encode())[1:] == [
        ("gs://bkt/c.jpg", {"storage_url": "gs://bkt/c.jpg#17"})
    ]


def test_rows_of_a_run_name_the_files_that_they_are_of(tmp_path: Path) -> None:
    names = [r"caf\xe9.jpg", r"caf\x5cxe9.jpg", "a.jpg"]
    path = tmp_path / "predictions.parquet"
    for metadata, expected in [
        ({"quantlabel.version": "0.2.0"}, ["caf\udce9.jpg", r"caf\xe9.jpg", "a.jpg"]),
        ({}, names),
    ]:
        pq.write_table(pa.table({"uri": names}).replace_schema_metadata(metadata), path)
        refs = [ref for ref in list_rows(str(path)) if isinstance(ref, ImageRef)]
        assert [ref.uri for ref in refs] == [str(tmp_path / name) for name in expected]


_OF_US = (
    "uri,class_id,synset,label,score,label_2,score_2,width,height,format,size,sha256",
    "uri,stage,reason,message,retryable",
    "uri,image,why,guess,score,margin,choices,round,my notes",
    "uri,version,size,outcome,reason,file",
    "group,keep,identical,similarity,least,uri,sha256",
)


@pytest.mark.parametrize("header", _OF_US)
def test_our_rows_given_back_find_names_that_are_not_utf8(tmp_path: Path, header: str) -> None:
    columns = header.split(",")
    names = ["caf\\xe9.jpg", "caf\\x5cxe9.jpg", "x.tar#\\xff.png", "a\\x41.jpg"]
    meant = ["caf\udce9.jpg", "caf\\xe9.jpg", "x.tar#\udcff.png", "a\\x41.jpg"]
    rows = [dict.fromkeys(columns, "1") | {"uri": name} for name in names]
    lists = {
        "l.csv": "\n".join([header, *(",".join(row.values()) for row in rows)]),
        "l.tsv": "\n".join([header.replace(",", "\t"), *("\t".join(row.values()) for row in rows)]),
        "l.jsonl": "\n".join(map(json.dumps, rows)),
        "l.json": json.dumps(rows),
    }
    for name, content in lists.items():
        (tmp_path / name).write_text(content, "utf-8")
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "l.parquet")  # copied by another tool
    for name in (*lists, "l.parquet"):
        found = [item.uri for item in list_rows(str(tmp_path / name)) if isinstance(item, ImageRef)]
        assert found == [f"{tmp_path}/{each}" for each in meant]


def test_in_a_table_of_somebody_else_a_backslash_is_one(tmp_path: Path) -> None:
    assert _listed(tmp_path / "l.csv", b"uri,label,score\ncaf\\xe9.jpg,a,1\n") == ["caf\\xe9.jpg"]
    assert _listed(tmp_path / "l.txt", b"caf\\xe9.jpg\n") == ["caf\\xe9.jpg"]


def test_a_uri_that_is_the_picture_itself_is_a_row_that_says_so(tmp_path: Path) -> None:
    jpeg = base64.b64encode(b"\xff\xd8\xff\xe0" + bytes(200))
    content = b"data:image/png;base64,iVBORw0KGgo=\na.jpg\n" + jpeg + b"\n/9j/a.jpg\n"
    assert _listed(tmp_path / "l.txt", content) == ["!line 1", "a.jpg", "!line 3", "a.jpg"]
    first = next(list_rows(str(tmp_path / "l.txt")))
    assert isinstance(first, Failure)
    assert first.message.startswith("the uri is the picture itself (data: or base64); write it")
