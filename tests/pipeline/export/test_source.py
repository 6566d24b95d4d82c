"""What every target is told of a run."""

from __future__ import annotations

from pipeline.export.image_folder import safe_name
from pipeline.export.source import is_member, unique_names


def test_names_of_classes_are_unique() -> None:
    assert unique_names({1: "a", 2: "b", 3: "a"}) == {1: "a (1)", 2: "b", 3: "a (3)"}
    assert [safe_name(name) for name in ("cat/dog", ".hidden", " ", "é")] == [
        "cat_dog",
        "_.hidden",
        "_",
        "é",
    ]


def test_members_of_archives_are_told_from_odd_names() -> None:
    assert is_member("/a/b.tar#c.jpg")
    assert is_member("/a#1/b.tfrecord#7")
    assert is_member("gs://x/part-0.parquet#3")
    assert not is_member("/a/b#c.jpg")
    assert not is_member("/a/b.tar/c.jpg")
    assert not is_member("/a/b.tar")
