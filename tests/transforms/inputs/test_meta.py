from __future__ import annotations

from typing import Any

import pytest

from transforms.inputs.meta import meta_json


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, None),
        ({"a": 1, "b": None, "c": "é"}, '{"a": 1, "b": null, "c": "é"}'),
        ({"a": float("nan"), "b": [float("inf"), 0.5]}, '{"a": null, "b": [null, 0.5]}'),
        ({"a\ud800": "x\udfff"}, '{"a\ufffd": "x\ufffd"}'),
        ({"a": {"b": (1, 2)}}, '{"a": {"b": [1, 2]}}'),
    ],
)
def test_whatever_comes_along_is_json(values: dict[str, Any], expected: str | None) -> None:
    assert meta_json(values) == expected


def test_what_is_nested_too_deeply_is_null() -> None:
    deep: Any = 1
    for _ in range(200):
        deep = [deep]
    assert meta_json({"a": deep}) == '{"a": ' + "[" * 100 + "null" + "]" * 100 + "}"
