"""The class names, against literal ones and the reference lists."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from transforms.network.classes import (
    Classes,
    ClassName,
    ambiguous,
    class_names,
    find_classes,
    imagenet,
)


def test_there_are_1001_in_order() -> None:
    assert [name.class_id for name in class_names()] == list(range(1001))


def test_the_background_has_no_synset() -> None:
    assert class_names()[0] == ClassName(0, "", ("background",))


def test_names_that_exports_number_are_found() -> None:
    assert [each.class_id for each in find_classes("crane (135)")] == [135]
    assert [each.class_id for each in find_classes("Crane (518)")] == [518]
    assert find_classes("crane (136)") == ()


def test_the_synsets_are_sorted_and_unique() -> None:
    synsets = [name.synset or "" for name in class_names()[1:]]
    assert synsets == sorted(set(synsets))
    assert (synsets[0], synsets[-1]) == ("n01440764", "n15075141")


def test_the_label_is_the_first_name() -> None:
    assert class_names()[282].names == ("tabby", "tabby cat")
    assert class_names()[283].label == "tiger cat"
    assert class_names()[1] == ClassName(1, "n01440764", ("tench", "Tinca tinca"))


def test_the_synset_tells_classes_of_one_name_apart() -> None:
    pairs = [(name.label, name.synset) for name in class_names()]
    assert [pairs[i] for i in (135, 518)] == [("crane", "n02012849"), ("crane", "n03126707")]
    assert [pairs[i] for i in (639, 640)] == [("maillot", "n03710637"), ("maillot", "n03710721")]
    assert [pairs[i] for i in (265, 475)] == [
        ("Cardigan", "n02113186"),
        ("cardigan", "n02963159"),
    ]
    assert len({label for label, _ in pairs}) == 999


def test_they_are_those_of_the_reference_list(shared: Path) -> None:
    lines = (shared / "models/imagenet_labels.txt").read_text(encoding="utf-8").splitlines()
    assert [f"{n.class_id:>4}  {', '.join(n.names)}" for n in class_names()] == lines


def test_they_are_those_of_the_labelled_photographs(shared: Path) -> None:
    with (shared / "images/ilsvrc/truth.csv").open(encoding="utf-8", newline="") as file:
        truth = list(csv.DictReader(file))
    assert len(truth) == 200
    for row in truth:
        name = class_names()[int(row["class_id"])]
        assert (name.synset, ", ".join(name.names)) == (row["synset"], row["label"])


@pytest.mark.parametrize(
    ("text", "class_ids"),
    [
        ("283", [283]),
        ("n02123159", [283]),
        (" tiger cat ", [283]),
        ("Tiger_Cat", [283]),
        ("tabby, tabby cat", [282]),
        ("Tinca tinca", [1]),
        ("crane", [135, 518]),
        ("Cardigan", [265]),
        ("cardigan", [475]),
        ("CARDIGAN", [265, 475]),
        ("background", [0]),
        ("cat", []),
        ("1001", []),
        ("", []),
    ],
)
def test_a_class_is_found_by_id_synset_and_name(text: str, class_ids: list[int]) -> None:
    assert [each.class_id for each in find_classes(text)] == class_ids


def test_classes_of_ones_own_are_found_by_name_before_id() -> None:
    classes = Classes.own(["three", "2", "Sea lion", "sea Lion"])
    assert [each.class_id for each in classes.find("2")] == [1]
    assert [each.class_id for each in classes.find("2", by="class_id")] == [2]
    assert [each.class_id for each in classes.find("0")] == [0]
    assert [each.class_id for each in classes.find("Sea lion")] == [2]
    assert [each.class_id for each in classes.find("SEA_LION")] == [2, 3]
    assert classes.find("n02123159", by="synset") == ()
    assert ambiguous("sea lion", classes.find("SEA_LION")) == (
        "'sea lion' is the name of the classes 2 and 3; use the class id"
    )


def test_classes_are_what_the_manifest_says() -> None:
    own = Classes.own(["a", "b"])
    assert own.as_dict() == {
        "vocabulary": "own",
        "sha256": "911169ddaaf146aff539f58c26c489af3b892dff0fe283c1c264c65ae5aa59a2",
        "labels": ["a", "b"],
    }
    for classes in (own, imagenet(), imagenet(background=False)):
        assert Classes.from_dict(classes.as_dict()) == classes
    for wrong in ({}, {"vocabulary": "x"}, {"vocabulary": "own", "labels": []}, {"labels": [1]}):
        with pytest.raises(ValueError, match=r"^(vocabulary|labels): expected"):
            Classes.from_dict(wrong)
