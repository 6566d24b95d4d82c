"""A label map as the user writes it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.labels.label_map import load_label_map
from transforms.errors import UserError
from transforms.network.classes import imagenet
from transforms.network.label_map import LabelMap


def _map(folder: Path, text: str) -> LabelMap:
    (folder / "map.csv").write_text(f"class,label\n{text}", "utf-8")
    return load_label_map(str(folder / "map.csv"), classes=imagenet())


def _members(label_map: LabelMap) -> dict[str, list[int]]:
    members: dict[str, list[int]] = label_map.as_dict()["labels"]
    return members


def test_classes_are_told_by_id_synset_name_and_group(tmp_path: Path) -> None:
    text = 'tench,fish\n2,fish\nn01484850,fish\nTiger_cat,cat\n"tabby, tabby cat",cat\n'
    assert _members(_map(tmp_path, text)) == {"fish": [1, 2, 3], "cat": [282, 283]}
    assert _members(_map(tmp_path, "n02121620,cat\n")) == {"cat": [*range(282, 289)]}


def test_the_narrower_row_wins(tmp_path: Path) -> None:
    text = "*,other\nn02121620,cat\nn02121808,house cat\ntabby,Tabitha\n0,\N{EMPTY SET}\n"
    members = _members(_map(tmp_path, text))
    assert list(members) == ["other", "cat", "house cat", "Tabitha", "\N{EMPTY SET}"]
    assert members["cat"] == [287, 288]  # cougar and lynx
    assert members["house cat"] == [283, 284, 285, 286]
    assert (members["Tabitha"], members["\N{EMPTY SET}"]) == ([282], [0])
    assert members["other"] == [*range(1, 282), *range(289, 1001)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tench,a\ncrane,b\n", "map.csv line 3: 'crane' is the name of the classes 135 (n02012849"),
        ("dog,a\n", "map.csv line 2: 'dog' is no class of the network and no synset above one."),
        ("n02121620,a\nn99999999,a\n", "map.csv line 3: 'n99999999' is no class"),
        ("1,a\n2,a\ntench,b\n", "line 4: class 1 (tench) is 'b' here, but 'a' at "),
        ("1,\n", "line 2: expected the columns class and label, found class"),
        ("tabby, tabby cat,a\n", "line 2: 3 cells, but the header has 2; put quotes"),
        ("n02121808,a\n282,b\n283,b\n284,b\n285,b\n286,b\n", "no class is left for 'a'"),
        ("", "map.csv: the label map has no rows"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(UserError) as raised:
        _map(tmp_path, text)
    assert expected in str(raised.value)
    assert "\n" not in str(raised.value)


def test_the_same_twice_is_no_contradiction(tmp_path: Path) -> None:
    assert _members(_map(tmp_path, "1,fish\ntench,fish\n")) == {"fish": [1]}


def test_a_label_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    (tmp_path / "map.csv").write_bytes(b"class,label\n1,tea\n*,caf\xe9\n")
    with pytest.raises(UserError) as raised:
        load_label_map(str(tmp_path / "map.csv"), classes=imagenet())
    expected = r"map.csv line 3: the label caf\xe9 is not UTF-8. Save the table so."
    assert str(raised.value) == f"{tmp_path}/{expected}"
