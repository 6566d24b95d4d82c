"""What the pictures show: tables and folders, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import pandas
import pytest

from pipeline.labels.truth import Truth, Unused, load_truth
from pipeline.labels.vocabularies import NetworkClasses, OwnLabels
from transforms.errors import UserError


def _truth(source: str) -> Truth:
    return load_truth(source, NetworkClasses())


def _classes(truth: Truth, *uris: str) -> list[int]:
    found: list[int] = truth.classes(uris).tolist()
    return found


def _table(folder: Path, text: str, *, name: str = "truth.csv") -> str:
    (folder / name).write_text(text, "utf-8")
    return str(folder / name)


def _refused(source: str, *uris: str) -> str:
    with pytest.raises(UserError) as raised:
        _truth(source).classes(uris)
    return str(raised.value)


def test_a_file_is_the_end_of_a_uri(tmp_path: Path) -> None:
    truth = _truth(_table(tmp_path, "file,class_id\na.jpg,1\nx/b.jpg,2\n./c.jpg,3\n"))
    uris = ["/p/a.jpg", "gs://b/x/b.jpg", "/p/y/b.jpg", "/p/aa.jpg", "c.jpg"]
    assert _classes(truth, *uris) == [1, 2, -1, -1, 3]


def test_the_longest_end_counts(tmp_path: Path) -> None:
    truth = _truth(_table(tmp_path, "file,class_id\nb.jpg,1\nx/b.jpg,2\n/p/x/b.jpg,3\n"))
    assert _classes(truth, "/p/x/b.jpg", "/q/x/b.jpg", "/q/y/b.jpg") == [3, 2, 1]


def test_a_uri_is_whole_and_relative_to_the_table(tmp_path: Path) -> None:
    rows = f"uri,class_id\na/1.jpg,1\n{tmp_path}/2.jpg,2\ngs://b/3.jpg,3\n"
    truth = _truth(_table(tmp_path, rows))
    uris = [f"{tmp_path}/a/1.jpg", f"{tmp_path}/2.jpg", "gs://b/3.jpg", "/a/1.jpg"]
    assert _classes(truth, *uris) == [1, 2, 3, -1]


def test_entries_without_a_picture_are_counted_and_named(tmp_path: Path) -> None:
    rows = "file,class_id\n" + "".join(f"{number}.jpg,1\n" for number in range(9))
    truth = _truth(_table(tmp_path, rows))
    assert _classes(truth, "/5.jpg", "/0.jpg") == [1, 1]
    assert truth.unused(examples=3) == Unused(7, ["1.jpg", "2.jpg", "3.jpg"])


def test_every_column_and_format_can_say_the_class(tmp_path: Path) -> None:
    lines = [
        '{"file": "a.jpg", "class_id": 283, "label": null}',
        "",
        '{"file": "b.jpg", "synset": "n02012849", "label": "crane", "note": [1]}',
        '{"file": "c.jpg", "label": "tabby, tabby cat"}',
    ]
    truth = _truth(_table(tmp_path, "\n".join(lines), name="t.jsonl"))
    assert _classes(truth, "/a.jpg", "/b.jpg", "/c.jpg") == [283, 135, 282]
    frame = pandas.DataFrame({"file": ["a", "b"], "class_id": [7, None], "label": [None, "tench"]})
    assert frame["class_id"].dtype == "float64"  # what a gap makes of whole numbers
    frame.to_parquet(tmp_path / "t.parquet")
    assert _classes(_truth(str(tmp_path / "t.parquet")), "/a", "/b") == [7, 1]


def test_names_that_are_not_utf8_match_their_rows(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b"file,class_id\ncaf\xe9.jpg,4\n")
    assert _classes(_truth(str(tmp_path / "t.csv")), "/p/caf\\xe9.jpg") == [4]


def test_folders_are_called_like_classes() -> None:
    uris = ["/p/n02123159/a.jpg", "/p/tiger_cat/a.jpg", "/p/283/a.jpg", "/p/other/a.jpg", "a.jpg"]
    truth = _truth("folders")
    assert _classes(truth, *uris) == [283, 283, 283, -1, -1]
    assert truth.unused(examples=3) == Unused(0, [])


def test_an_ambiguous_folder_is_refused() -> None:
    assert _refused("folders", "/p/crane/a.jpg") == (
        "--truth folders: the folder 'crane' is the name of the classes 135 (n02012849) and 518 "
        "(n03126707); use the synset"
    )


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
        ("file,class_id\na,1\na,2\n", "line 3: a is another class here than at "),
        ("name,class_id\na,1\n", "Expected a column uri or file, found name, class_id."),
        ("file,what\na,1\n", "Expected a column class_id, synset or label, found file, what."),
        ("file,label\na,tench, Tinca tinca\n", "line 2: more than the 2 columns of the heading"),
        ('file,label\na,"tench"s\n', "line 2: not readable as CSV"),
        ("file,class_id\n", "the table has no rows"),
        ("", "the table has no rows"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, rows: str, expected: str) -> None:
    message = _refused(_table(tmp_path, rows), "/a")
    assert message.startswith(f"{tmp_path}/truth.csv")
    assert expected in message


def test_a_bad_line_of_json_is_named(tmp_path: Path) -> None:
    path = _table(tmp_path, '{"file": "a", "class_id": 1}\n{"file":\n', name="t.jsonl")
    assert "t.jsonl line 2: not readable as JSON" in _refused(path)
    path = _table(tmp_path, "[1]\n", name="t.jsonl")
    assert "t.jsonl line 1: expected a JSON object" in _refused(path)


def test_the_same_row_twice_does_no_harm(tmp_path: Path) -> None:
    truth = _truth(_table(tmp_path, "file,class_id\na,1\nb,2\na,1\n"))
    assert _classes(truth, "/a") == [1]
    assert truth.unused(examples=9) == Unused(1, ["b"])


def test_a_name_of_two_pictures_is_refused(tmp_path: Path) -> None:
    message = _refused(_table(tmp_path, "file,class_id\n1.jpg,1\n"), "/a/1.jpg", "/b/1.jpg")
    assert "line 2: 1.jpg fits several pictures of the run, /b/1.jpg among them" in message


@pytest.mark.parametrize("name", ["nothing.csv", "truth.txt", "broken.parquet"])
def test_a_table_that_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "broken.parquet").write_bytes(b"PAR1")
    assert _refused(str(tmp_path / name)).startswith(str(tmp_path / name))


def test_own_labels_are_numbered_as_they_come(tmp_path: Path) -> None:
    labels = OwnLabels()
    path = _table(tmp_path, "file,label\na,crane\nb,5\nc, crane \n")
    truth = load_truth(path, labels)
    assert _classes(truth, "/c", "/b", "/a") == [0, 1, 0]
    assert labels.labels == ["crane", "5"]
    assert _classes(load_truth("folders", labels), "/x/5/a", "/x/new/a") == [1, 2]
    path = _table(tmp_path, "file,class_id\na,1\n")
    with pytest.raises(UserError, match=r"line 2: expected a column label, found file, class_id"):
        load_truth(path, labels)


def test_names_of_pictures_are_no_labels() -> None:
    labels = OwnLabels()
    numbers = [labels.of_folder(str(number)) for number in range(32768)]
    assert numbers[-1] == 32767
    with pytest.raises(UserError, match=r"'x' is label 32,769 of the truth; 32,768 are the most"):
        labels.of_folder("x")
