"""Selections that stay, and what reads them back."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from pipeline.labels.pictures import Listed
from pipeline.view.selections import Selections
from pipeline.view.server import RefusedError
from tests.helpers.contents import contents
from transforms.inputs.input_lists import list_rows
from transforms.inputs.listing import list_input
from transforms.records import ImageRef

URIS = ("/p/a.jpg", '/p/b, "c"\n.jpg', "/p/ \\xff.jpg", "gs://bucket/d e.jpg", "/p/t.tar#m.jpg")
"""As rows spell them: the third is a name that is no UTF-8."""


@pytest.fixture
def selections(tmp_path: Path) -> Selections:
    return Selections(str(tmp_path), URIS)


def test_a_selection_is_an_input_list(selections: Selections, tmp_path: Path) -> None:
    assert selections.save("odd_ones-1", b"[4, 3, 2, 1, 0, 1]") == 5
    path = tmp_path / "__selections/odd_ones-1.csv"
    assert selections.path("odd_ones-1") == str(path)
    listed = list(list_rows(str(path)))
    names = ["/p/t.tar#m.jpg", "gs://bucket/d e.jpg", "/p/ \udcff.jpg", URIS[1], "/p/a.jpg"]
    assert listed == [ImageRef(name) for name in names]
    assert Listed(str(path)).among([*URIS, "/p/other.jpg"]).tolist() == [True] * 5 + [False]
    assert selections.names() == ["odd_ones-1"]
    assert selections.rows("odd_ones-1") == [0, 1, 2, 3, 4]


def test_it_is_no_input_itself(selections: Selections, tmp_path: Path) -> None:
    selections.save("a", b"[0]")
    selections.save("b", b"[1]")
    marker = json.loads((tmp_path / "__selections/_QUANTLABEL.json").read_text("utf-8"))
    assert (marker["command"], marker["entries"]) == ("view", ["a.csv", "b.csv"])
    found = list(list_input(str(tmp_path)))
    assert not any(isinstance(each, ImageRef) for each in found)


@pytest.mark.parametrize(
    "name",
    [
        *("", ".", "..", "../a", "a/b", "a.csv", "a b", "%2e%2e", "-a", "_QUANTLABEL", "a\n", "é"),
        *("a" * 65, "a\0", "/etc/passwd", "C:a"),
    ],
)
def test_a_name_leads_nowhere_else(selections: Selections, tmp_path: Path, name: str) -> None:
    for refused in (lambda: selections.save(name, b"[0]"), lambda: selections.rows(name)):
        with pytest.raises(RefusedError, match="a name is 1 to 64 letters") as found:
            refused()
        assert found.value.status == 400
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    "rows",
    [b"", b"[]", b"{}", b"[5]", b"[-1]", b"[true]", b"[0.0]", b'["0"]', b"\xff", b"[" * 100_000],
)
def test_rows_that_are_none(selections: Selections, tmp_path: Path, rows: bytes) -> None:
    with pytest.raises(RefusedError, match="expected the positions of some rows") as found:
        selections.save("a", rows)
    assert found.value.status == 400
    assert os.listdir(tmp_path) == []


def test_none_is_replaced(selections: Selections, tmp_path: Path) -> None:
    selections.save("a", b"[0]")
    before = contents(tmp_path)
    with pytest.raises(RefusedError, match="there is a selection a already") as found:
        selections.save("a", b"[1]")
    assert found.value.status == 409
    assert contents(tmp_path) == before


def test_one_that_is_not_there(selections: Selections) -> None:
    assert selections.names() == []
    with pytest.raises(RefusedError, match="there is no selection a") as found:
        selections.rows("a")
    assert found.value.status == 404
