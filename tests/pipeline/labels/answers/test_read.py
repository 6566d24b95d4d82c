"""The form of a file is told by what is in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.answers import read, said
from transforms.errors import UserError


def test_a_list_of_objects_is_a_table(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"file": "a.jpg", "label": "cat", "note": None},
        {"file": "b.jpg", "label": "dog"},
    ]
    (tmp_path / "t.json").write_text(json.dumps(rows), "utf-8")
    assert said(tmp_path / "t.json") == [("a.jpg", "cat"), ("b.jpg", "dog")]
    rows[0]["score"] = "0.5"
    (tmp_path / "t.json").write_text(json.dumps(rows), "utf-8")
    with pytest.raises(UserError, match="the column label holds what the network guessed"):
        read(tmp_path / "t.json")


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("t.json", "{", "not readable as JSON"),
        ("t.json", '{"a": 1}', "expected an export of Label Studio, FiftyOne or COCO"),
        ("t.json", "[1]", "expected an export of Label Studio, FiftyOne or COCO"),
        ("t.txt", "", "expected a .csv, .tsv, .jsonl or .parquet file"),
    ],
)
def test_others_are_refused(tmp_path: Path, name: str, content: str, expected: str) -> None:
    (tmp_path / name).write_text(content, "utf-8")
    with pytest.raises(UserError, match=expected):
        read(tmp_path / name)
    with pytest.raises(UserError, match=r"gone.json: cannot be read"):
        read(tmp_path / "gone.json")


@pytest.mark.parametrize(
    "content",
    [
        {"labels": {"a.jpg": 3}, "classes": 7},
        {"samples": 3},
        {"images": [{"id": 1}], "annotations": [], "categories": []},
        {"images": [], "annotations": [], "categories": [{"id": 1}]},
        [{"data": {"image": "a.jpg"}, "annotations": [{"result": [3]}]}],
        [{"data": {"image": "a.jpg"}, "annotations": [3]}],
    ],
)
def test_what_lacks_a_part_is_one_line(tmp_path: Path, content: Any) -> None:
    (tmp_path / "t.json").write_text(json.dumps(content), "utf-8")
    with pytest.raises(UserError, match="damaged, or not written by the tool whose export it"):
        read(tmp_path / "t.json")


def test_an_evaluation_is_no_export(tmp_path: Path) -> None:
    (tmp_path / "t.json").write_text(json.dumps({"labels": "network", "rows": {}}), "utf-8")
    with pytest.raises(UserError, match="expected an export of Label Studio, FiftyOne or COCO"):
        read(tmp_path / "t.json")
