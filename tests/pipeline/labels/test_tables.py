"""Tables of a user, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path

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
        ("file,label\na,tench, Tinca tinca\n", "line 2: more than the 2 columns of the heading"),
        ('file,label\na,"tench"s\n', "line 2: not readable as CSV"),
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
    assert "t.jsonl line 2: not readable as JSON" in refusal(path)
    path = write_table(tmp_path, "[1]\n", name="t.jsonl")
    assert "t.jsonl line 1: expected a JSON object" in refusal(path)


@pytest.mark.parametrize("name", ["nothing.csv", "truth.txt", "broken.parquet"])
def test_a_table_that_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "broken.parquet").write_bytes(b"PAR1")
    assert refusal(str(tmp_path / name)).startswith(str(tmp_path / name))
