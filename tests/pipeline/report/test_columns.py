"""Columns of the page, decoded as its script does."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pipeline.explore.neighbours import Neighbours
from pipeline.report.columns import (
    file_name,
    flag_columns,
    map_columns,
    neighbour_columns,
    numbers,
    row_columns,
    shares,
    truth_columns,
)
from tests.helpers.rows import prediction
from transforms.rows.schema import prediction_table


def _decoded(column: dict[str, Any]) -> list[int]:
    data, width = base64.b64decode(column["data"]), column["width"]
    return [int.from_bytes(data[at : at + width], "little") for at in range(0, len(data), width)]


@pytest.mark.parametrize(
    ("values", "width"),
    [([], 1), ([0, 255], 1), ([256, 0], 2), ([65_536, 7], 3), ([2**32 - 1, 1], 4)],
)
def test_numbers_take_as_few_bytes_as_they_need(values: list[int], width: int) -> None:
    assert numbers(values)["width"] == width
    assert _decoded(numbers(values)) == values


def test_shares_are_steps_from_0_to_1() -> None:
    column = shares([0.0, 0.5, 1.0, 1.5, float("nan")])
    assert _decoded(column) == [0, 30_000, 60_000, 60_000, 0]
    assert column["steps"] == 60_000


URIS = ["/a/b/1.jpg", "gs://bucket/2.jpg", "/a/c.tar#in/3.jpg", "/a/c.tar#4.jpg", "/a/b/#5.jpg"]


def test_rows_are_columns_and_words() -> None:
    rows = [
        prediction(at, uri=uri)._replace(class_id=(7, 3, 7, 9, 3)[at], score=at / 4)
        for at, uri in enumerate(URIS)
    ]
    table = prediction_table(rows)
    found = row_columns(table, [9, 7, 3], paths=True)
    folders = [found["folders"][at] for at in _decoded(found["folder"])]
    assert [a + b for a, b in zip(folders, found["names"], strict=True)] == URIS
    assert found["names"] == ["1.jpg", "2.jpg", "3.jpg", "4.jpg", "#5.jpg"]
    assert _decoded(found["label"]) == [1, 2, 1, 0, 2]
    assert _decoded(found["width"]) == [640, 641, 642, 643, 644]
    assert [found["formats"][at] for at in _decoded(found["format"])] == ["JPEG"] * 5
    top = found["top"]
    assert (top["k"], top["words"]) == (2, ["tabby", "électric ray"])
    assert _decoded(top["label"]) == [0, 1] * 5
    assert _decoded(top["score"])[:2] == [6_000, 3_000]
    without = row_columns(table, [9, 7, 3], paths=False)
    assert without["names"] == ["1.jpg", "2.jpg", "3.jpg", "c.tar#4.jpg", "#5.jpg"]
    assert "folder" not in without
    assert "folders" not in without


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("https://user.example/a/b.jpg?token=1", "b.jpg"),
        ("/home/me/what?.jpg", "what?.jpg"),
        ("https://example.org/", "example.org"),
    ],
)
def test_the_name_of_a_picture_leads_nowhere(uri: str, name: str) -> None:
    assert file_name(uri) == name


def test_the_map_keeps_its_proportions() -> None:
    found = map_columns(np.array([[0, 0], [4, 1], [2, 0.5]], np.float32))
    assert _decoded(found["x"]) == [0, 60_000, 30_000]
    assert _decoded(found["y"]) == [37_500, 22_500, 30_000]  # upwards, as in a drawing
    one = map_columns(np.zeros((1, 2), np.float32))
    assert (_decoded(one["x"]), _decoded(one["y"])) == ([30_000], [30_000])


def test_neighbours_are_five_at_most() -> None:
    positions = np.arange(12).reshape(2, 6)
    found = neighbour_columns(Neighbours(positions, np.full((2, 6), 0.5, np.float32)))
    assert (found["k"], _decoded(found["row"])) == (5, [0, 1, 2, 3, 4, 6, 7, 8, 9, 10])
    assert _decoded(found["cosine"]) == [100] * 10


def test_what_is_not_known_is_neither_right_nor_wrong() -> None:
    found = truth_columns(
        pa.array(["cat", None, "dog", "cat"]), pa.array([True, None, False, False])
    )
    assert found["words"] == ["cat", "dog"]
    assert _decoded(found["truth"]) == [1, 0, 2, 1]
    assert _decoded(found["verdict"]) == [1, 0, 2, 2]


def test_flags_are_bits_of_those_that_the_run_has_looked_for() -> None:
    unknown = pa.nulls(3, pa.bool_())
    assert flag_columns(pa.table({"blurry": unknown, "uri": ["a", "b", "c"]})) is None
    table = pa.table(
        {"blurry": [True, None, False], "dark": unknown, "odd_shape": [True, False, True]}
    )
    found = flag_columns(table)
    assert found is not None
    assert found["names"] == ["blurry", "odd shape"]
    assert _decoded(found["bits"]) == [3, 0, 2]
