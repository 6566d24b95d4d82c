"""How tools name pictures."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.labels.answers.answer import picture_of, says_none


@pytest.mark.parametrize(
    ("values", "picture"),
    [
        ({"uri": "/p/a.jpg", "image": "/data/local-files/?d=x"}, {"uri": "/p/a.jpg"}),
        ({"image": "/data/local-files/?d=p/a%20%26b%23c.jpg"}, {"uri": "/p/a &b#c.jpg"}),
        ({"image": "/data/local-files/?d=p/%ff.jpg"}, {"uri": "/p/\udcff.jpg"}),
        ({"image": "/data/upload/12/0a1b2c3d-cat.jpg"}, {"file": "cat.jpg"}),
        ({"image": "gs://b/a.jpg"}, {"uri": "gs://b/a.jpg"}),
        ({"image": "a.jpg"}, {"file": "a.jpg"}),
        ({"image": "http://[bad/a.jpg"}, {"uri": "http://[bad/a.jpg"}),
        ({"label": "cat"}, {}),
    ],
)
def test_a_picture_is_told_by_what_is_there(values: dict[str, Any], picture: object) -> None:
    assert picture_of(values) == picture


def test_none_of_these_is_told_whatever_its_case() -> None:
    assert says_none({"label": " None of these "})
    assert not says_none({"label": "none"})
    assert not says_none({"class_id": "1"})
