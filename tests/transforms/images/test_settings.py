from __future__ import annotations

from transforms.images.settings import METHODS, Preprocessing, PreprocessingChanges


def test_limits_do_not_decide_pixels() -> None:
    assert Preprocessing("slim", 160, 2, max_pixels=7, max_bytes=9).as_dict() == {
        "method": "slim",
        "size": 160,
        "views": 2,
    }
    assert METHODS == ("eval", "slim", "stretch", "stretch-nearest")


def test_every_field_can_be_changed_by_its_name() -> None:
    assert PreprocessingChanges.__annotations__.keys() == Preprocessing.__annotations__.keys()
