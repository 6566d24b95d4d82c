"""Tables of a user, and what is wrong with them."""

from __future__ import annotations

import gzip
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.helpers.truths import classes_of, read_truth, refusal, write_table


def test_names_that_are_not_utf8_match_their_rows(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b"file,class_id\ncaf\xe9.jpg,4\n")
    assert classes_of(read_truth(str(tmp_path / "t.csv")), "/p/caf\\xe9.jpg") == [4]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ("file,label\na,tench\nb,crane\n", "line 3: 'crane' is the name of the classes 135"),
        ("file,label\na,dog\n", "line 2: label 'dog' is no class of the network"),
        ("file,label\na,5\n", "line 2: label '5' is no class of the network"),
        ("file,class_id\na,1001\n", "line 2: class_id '1001' is no class"),
        ("file,synset\na,n99999999\n", "line 2: synset 'n99999999' is no class"),
        ("file,class_id,synset\na,0,n01440764\n", "Class 0 is the background here"),
        ("file,synset,label\na,n01440764,tabby\n", "line 2: the columns name different classes"),
        ("name,class_id\na,1\n", "Expected a column uri or file, found name, class_id."),
        ("file,what\na,1\n", "Expected a column class_id, synset or label, found file, what."),
        ("file,label\na,tench, Tinca tinca\n", "line 2: 3 cells, but the header has 2"),
        ('file,label\na,"tench"s\n', "line 2: the quotes of the row cannot be told apart"),
        ("file,class_id\n", "the table has no rows"),
        ("", "the table has no rows"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, rows: str, expected: str) -> None:
    message = refusal(write_table(tmp_path, rows), "/a")
    assert message.startswith(f"{tmp_path}/truth.csv")
    assert expected in message


def test_a_bad_line_of_json_is_named(tmp_path: Path) -> None:
    path = write_table(tmp_path, '{"file": "a", "class_id": 1}\n{"file":\n', name="t.jsonl")
    assert "t.jsonl line 2: the line is no JSON" in refusal(path)
    path = write_table(tmp_path, "[1]\n", name="t.jsonl")
    assert "t.jsonl line 1: expected a JSON object" in refusal(path)


@pytest.mark.parametrize("name", ["nothing.csv", "truth.txt", "broken.parquet"])
def test_a_table_that_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "broken.parquet").write_bytes(b"PAR1")
    assert refusal(str(tmp_path / name)).startswith(str(tmp_path / name))


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ('file,class_id,note\na,1,"x\nb,2,y\n', "line 2: the quotes of the row cannot be told"),
        ("file,class_id,note\na,1\n", "line 2: 2 cells, but the header has 3"),
        ("file,class_id,class_id\na,1,2\n", "more than one column is called 'class_id'"),
        ("file;class_id\na;1\n", "separated by semicolons"),
        ("sep=,\nfile,class_id\n", "tells spreadsheets the separator"),
    ],
)
def test_tables_are_read_as_strictly_as_input_lists(
    tmp_path: Path, rows: str, expected: str
) -> None:
    assert expected in refusal(write_table(tmp_path, rows), "/a")


def test_tabs_and_gzip_are_read(tmp_path: Path) -> None:
    path = write_table(tmp_path, "file\tclass_id\na\t4\n", name="t.tsv")
    assert classes_of(read_truth(path), "/p/a") == [4]
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(b"file,class_id\na,4\n"))
    assert classes_of(read_truth(str(tmp_path / "t.csv.gz")), "/p/a") == [4]


def test_a_json_object_with_a_name_twice_is_no_row(tmp_path: Path) -> None:
    path = write_table(tmp_path, '{"file": "a", "file": "b", "class_id": 1}\n', name="t.jsonl")
    assert "t.jsonl line 1: the line is no JSON that can be read: a name comes twice" in refusal(
        path
    )


def test_columns_of_bytes_are_texts(tmp_path: Path) -> None:
    pq.write_table(pa.table({"file": [b"a"], "class_id": [4]}), tmp_path / "t.parquet")
    assert classes_of(read_truth(str(tmp_path / "t.parquet")), "/p/a") == [4]
