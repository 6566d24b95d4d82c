"""What the classes are kinds of, against literal facts of WordNet 3.0."""

from __future__ import annotations

from transforms.network.classes import class_names
from transforms.network.wordnet import synsets


def test_everything_is_an_entity() -> None:
    assert synsets()["n00001740"].names == ("entity",)
    assert synsets()["n00001740"].class_ids == tuple(range(1, 1001))


def test_a_group_holds_its_classes() -> None:
    cat = synsets()["n02121620"]
    assert cat.names == ("cat", "true cat")
    assert cat.class_ids == (282, 283, 284, 285, 286, 287, 288)
    assert len(synsets()["n02084071"].class_ids) == 118  # dog


def test_a_synset_with_two_parents_counts_for_both() -> None:
    assert synsets()["n02084071"].parents == ("n02083346", "n01317541")  # canine, domestic animal
    assert 282 in synsets()["n01317541"].class_ids  # a tabby is a domestic animal
    assert 287 not in synsets()["n01317541"].class_ids  # a cougar is not


def test_a_class_has_the_names_of_the_table_of_classes() -> None:
    for name in class_names()[1:]:
        assert synsets()[name.synset or ""].names == name.names
        assert name.class_id in synsets()[name.synset or ""].class_ids
