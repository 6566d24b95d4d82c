from __future__ import annotations

from typing import Any

import pytest

from transforms import bundles
from transforms.bundles import Packs, pack, unpack


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [["/a.jpg", None, 7, "1700000000000000001"]],
        [["/caf\udce9 \n'\"\u0000😀.jpg", '{"n": 1}', None], ["gs://b/é", None, -1]],
    ],
)
def test_unpack_reverses_pack(rows: list[Any]) -> None:
    assert list(unpack([pack(rows)])) == rows
    assert list(unpack([pack(rows), pack(rows)])) == rows + rows


def test_packs_leave_together_when_enough_rows_have_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundles, "_HELD", 3)
    held = Packs()
    assert [list(held.add(key, [key])) for key in (1, 2)] == [[], []]
    assert dict(held.add(1, ["last"])) == {1: pack([[1], ["last"]]), 2: pack([[2]])}
    assert list(held.add(5, [5])) == []
    assert list(held.flush()) == [(5, pack([[5]]))]
    assert list(held.flush()) == []
