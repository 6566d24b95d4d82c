from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import pytest

from pipeline.run.folder.typed_json import build, loads


class _File(NamedTuple):
    name: str
    rows: int = 0


class _Whole(NamedTuple):
    kind: Literal["a", "b"]
    files: tuple[_File, ...] = ()
    counts: Mapping[str, int] = {}
    share: float | None = None


def test_what_is_known_is_built_and_the_rest_left_out() -> None:
    value = loads(
        b'{"kind": "b", "files": [{"name": "x", "rows": 2}, ["y", 3]], "counts": {"n": 1},'
        b' "share": 1, "later": []}'
    )
    assert build(_Whole, value) == _Whole("b", (_File("x", 2), _File("y", 3)), {"n": 1}, 1)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("x", "the whole: expected _Whole, found 'x'"),
        ({}, "kind is missing"),
        ({"kind": "c"}, "kind: expected typing.Literal['a', 'b'], found 'c'"),
        ({"kind": "a", "files": [{}]}, "files[0].name is missing"),
        ({"kind": "a", "counts": {"n": -1}}, "counts.n: expected int, found -1"),
        ({"kind": "a", "counts": {"n": True}}, "counts.n: expected int, found True"),
        ({"kind": "a", "share": "1"}, "share: expected float, found '1'"),
    ],
)
def test_what_is_wrong_is_named(value: Any, message: str) -> None:
    with pytest.raises(ValueError) as raised:  # noqa: PT011  # the whole message follows
        build(_Whole, value)
    assert str(raised.value) == message


@pytest.mark.parametrize("content", [b"NaN", b"[-Infinity]", b'"\\ud800"', b"[" * 100_000, b"{"])
def test_what_is_no_json_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # Python's own messages differ
        loads(content)
