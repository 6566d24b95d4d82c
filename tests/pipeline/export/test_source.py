"""What every target is told of a run."""

from __future__ import annotations

import pyarrow as pa

from pipeline.export.source import Selection, is_member, unique_names


def test_names_of_classes_are_unique() -> None:
    assert unique_names({1: "a", 2: "b", 3: "a"}) == {1: "a (1)", 2: "b", 3: "a (3)"}


def test_a_selection_may_have_an_order_of_its_own() -> None:
    tables = [pa.table({"uri": ["a", "b"]}), pa.table({"uri": ["c", "d"]})]
    (found,) = Selection(order={"c": 0, "x": 1, "a": 2}).of(tables)
    assert found["uri"].to_pylist() == ["c", "a"]
    assert not Selection().is_some


def test_members_of_archives_are_told_from_odd_names() -> None:
    assert is_member("/a/b.tar#c.jpg")
    assert is_member("/a#1/b.tfrecord#7")
    assert is_member("gs://x/part-0.parquet#3")
    assert not is_member("/a/b#c.jpg")
    assert not is_member("/a/b.tar/c.jpg")
    assert not is_member("/a/b.tar")
