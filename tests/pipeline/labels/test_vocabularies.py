"""Labels that a truth may speak of."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.labels.options import TruthOptions
from pipeline.labels.truth import Unused, load_truth
from pipeline.labels.vocabularies import OwnLabels
from tests.helpers.truths import classes_of, read_truth, refusal, write_table
from transforms.errors import UserError


def test_folders_are_called_like_classes() -> None:
    uris = ["/p/n02123159/a.jpg", "/p/tiger_cat/a.jpg", "/p/283/a.jpg", "/p/other/a.jpg", "a.jpg"]
    truth = read_truth("folders")
    assert classes_of(truth, *uris) == [283, 283, 283, -1, -1]
    assert truth.unused(examples=3) == Unused(0, [])


def test_an_ambiguous_folder_is_refused() -> None:
    assert refusal("folders", "/p/crane/a.jpg") == (
        "--truth folders: the folder 'crane' is the name of the classes 135 (n02012849) and 518 "
        "(n03126707); use the synset"
    )


def test_own_labels_are_numbered_as_they_come(tmp_path: Path) -> None:
    labels = OwnLabels()
    path = write_table(tmp_path, "file,label\na,crane\nb,5\nc, crane \n")
    truth = load_truth(TruthOptions(truth=path), labels)
    assert classes_of(truth, "/c", "/b", "/a") == [0, 1, 0]
    assert labels.labels == ["crane", "5"]
    assert classes_of(load_truth(TruthOptions(truth="folders"), labels), "/x/5/a", "/x/new/a") == [
        1,
        2,
    ]
    path = write_table(tmp_path, "file,class_id\na,1\n")
    with pytest.raises(UserError, match=r"line 2: expected a column label, found file, class_id"):
        load_truth(TruthOptions(truth=path), labels)


def test_names_of_pictures_are_no_labels() -> None:
    labels = OwnLabels()
    numbers = [labels.of_folder(str(number)) for number in range(32768)]
    assert numbers[-1] == 32767
    with pytest.raises(UserError, match=r"'x' is label 32,769 of the truth; 32,768 are the most"):
        labels.of_folder("x")
