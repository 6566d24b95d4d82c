from __future__ import annotations

from transforms.images.settings import METHODS, Preprocessing


def test_limits_do_not_decide_pixels() -> None:
    assert Preprocessing("slim", 160, 2, max_pixels=7, max_bytes=9).as_dict() == {
        "method": "slim",
        "size": 160,
        "views": 2,
    }
    assert METHODS == ("eval", "slim", "stretch", "stretch-nearest")
