"""What the pictures show: tables and folders, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import pandas
import pytest

from pipeline.labels.answers.votes import DISPUTED
from pipeline.labels.options import TruthOptions
from pipeline.labels.truth import Unused, load_truth
from pipeline.labels.vocabularies import NetworkClasses
from tests.helpers.truths import classes_of, read_truth, refusal, write_table
from transforms.errors import UsageError
from transforms.network.classes import imagenet


def test_a_file_is_the_end_of_a_uri(tmp_path: Path) -> None:
    truth = read_truth(write_table(tmp_path, "file,class_id\na.jpg,1\nx/b.jpg,2\n./c.jpg,3\n"))
    uris = ["/p/a.jpg", "gs://b/x/b.jpg", "/p/y/b.jpg", "/p/aa.jpg", "c.jpg"]
    assert classes_of(truth, *uris) == [1, 2, -1, -1, 3]


def test_the_longest_end_counts(tmp_path: Path) -> None:
    truth = read_truth(write_table(tmp_path, "file,class_id\nb.jpg,1\nx/b.jpg,2\n/p/x/b.jpg,3\n"))
    assert classes_of(truth, "/p/x/b.jpg", "/q/x/b.jpg", "/q/y/b.jpg") == [3, 2, 1]


def test_a_shorter_name_that_says_otherwise_is_counted(tmp_path: Path) -> None:
    rows = f"uri,file,class_id\n{tmp_path}/a.jpg,,1\n,a.jpg,2\n{tmp_path}/b.jpg,,3\n,b.jpg,3\n"
    truth = read_truth(write_table(tmp_path, rows + ",c.jpg,4\nd/c.jpg,,5\n"))
    uris = [f"{tmp_path}/{name}" for name in ("a.jpg", "b.jpg", "c.jpg", "d/c.jpg")]
    assert classes_of(truth, *uris) == [1, 3, 4, 5]
    summary = truth.summary()
    assert summary is not None
    assert summary["overruled"] == 1
    assert truth.unused(examples=9) == Unused(1, ["b.jpg"])


def test_a_uri_is_whole_and_relative_to_the_table(tmp_path: Path) -> None:
    rows = f"uri,class_id\na/1.jpg,1\n{tmp_path}/2.jpg,2\ngs://b/3.jpg,3\n"
    truth = read_truth(write_table(tmp_path, rows))
    uris = [f"{tmp_path}/a/1.jpg", f"{tmp_path}/2.jpg", "gs://b/3.jpg", "/a/1.jpg"]
    assert classes_of(truth, *uris) == [1, 2, 3, -1]


def test_entries_without_a_picture_are_counted_and_named(tmp_path: Path) -> None:
    rows = "file,class_id\n" + "".join(f"{number}.jpg,1\n" for number in range(9))
    truth = read_truth(write_table(tmp_path, rows))
    assert classes_of(truth, "/5.jpg", "/0.jpg") == [1, 1]
    assert truth.unused(examples=3) == Unused(7, ["1.jpg", "2.jpg", "3.jpg"])


def test_every_column_and_format_can_say_the_class(tmp_path: Path) -> None:
    lines = [
        '{"file": "a.jpg", "class_id": 283, "label": null}',
        "",
        '{"file": "b.jpg", "synset": "n02012849", "label": "crane", "note": [1]}',
        '{"file": "c.jpg", "label": "tabby, tabby cat"}',
        '{"file": "d.jpg", "label": "n02123045"}',
    ]
    truth = read_truth(write_table(tmp_path, "\n".join(lines), name="t.jsonl"))
    assert classes_of(truth, "/a.jpg", "/b.jpg", "/c.jpg", "/d.jpg") == [283, 135, 282, 282]
    frame = pandas.DataFrame({"file": ["a", "b"], "class_id": [7, None], "label": [None, "tench"]})
    assert frame["class_id"].dtype == "float64"  # what a gap makes of whole numbers
    frame.to_parquet(tmp_path / "t.parquet")
    assert classes_of(read_truth(str(tmp_path / "t.parquet")), "/a", "/b") == [7, 1]


def test_the_same_row_twice_does_no_harm(tmp_path: Path) -> None:
    truth = read_truth(write_table(tmp_path, "file,class_id\na,1\nb,2\na,1\n"))
    assert classes_of(truth, "/a") == [1]
    assert truth.unused(examples=9) == Unused(1, ["b"])


def test_rows_that_differ_are_left_out_and_counted(tmp_path: Path) -> None:
    truth = read_truth(write_table(tmp_path, "file,class_id\na,1\na,2\nb,2\n"))
    assert classes_of(truth, "/a", "/b") == [DISPUTED, 2]
    summary = truth.summary()
    assert summary is not None
    assert (summary["disputed"], summary["annotators"]) == (1, 0)


def test_members_of_archives_are_named_as_files_are(tmp_path: Path) -> None:
    rows = "file,class_id\na.jpg,1\nd/b.jpg,2\nx.zip.tar#c.jpg,3\n"
    truth = read_truth(write_table(tmp_path, rows))
    uris = ["/p/x.tar#a.jpg", "/p/x.tar#sub/d/b.jpg", "/p/x.zip.tar#c.jpg", "/p/y.tar#c.jpg"]
    assert classes_of(truth, *uris) == [1, 2, 3, -1]


def test_rounds_are_read_together(tmp_path: Path) -> None:
    """What somebody says later counts, and another one's answer is another's."""
    heading = "file,class_id,annotator,updated_at\n"
    texts = ("a,1,ann,2026-01-01\nb,1,ann,2026-01-01\n", "a,2,ann,2026-02-01\nb,2,bob,2026-02-01\n")
    paths = [
        write_table(tmp_path, heading + text, name=f"{at}.csv") for at, text in enumerate(texts)
    ]
    truth = load_truth(TruthOptions(truth=paths), NetworkClasses(imagenet()))
    assert classes_of(truth, "/a", "/b") == [2, DISPUTED]
    summary = truth.summary()
    assert summary is not None
    assert [(each["annotator"], each["round"]) for each in summary["by_annotator"]] == [
        ("ann", "0.csv"),
        ("ann", "1.csv"),
        ("bob", "1.csv"),
    ]
    with pytest.raises(UsageError, match="--truth folders: give it alone"):
        load_truth(TruthOptions(truth=["folders", *paths]), NetworkClasses(imagenet()))


def test_a_name_of_two_pictures_is_refused(tmp_path: Path) -> None:
    message = refusal(write_table(tmp_path, "file,class_id\n1.jpg,1\n"), "/a/1.jpg", "/b/1.jpg")
    assert "line 2: 1.jpg fits several pictures of the run, /b/1.jpg among them" in message
