"""EXIF data as texts beside a picture, as img2dataset keeps them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from transforms.inputs.archives.exif_text import stored_orientation

WORDS = {
    "Horizontal (normal)": 1,
    "Mirrored horizontal": 2,
    "Rotated 180": 3,
    "Mirrored vertical": 4,
    "Mirrored horizontal then rotated 90 CCW": 5,
    "Rotated 90 CW": 6,
    "Mirrored horizontal then rotated 90 CW": 7,
    "Rotated 90 CCW": 8,
}


@pytest.mark.parametrize(("words", "orientation"), WORDS.items())
def test_the_words_of_exifread(words: str, orientation: int) -> None:
    exif = json.dumps({"Image Make": "x", "Image Orientation": words})
    assert stored_orientation({"json": {"exif": exif, "key": "1"}, "txt": "x"}) == orientation
    assert stored_orientation({"exif": exif}) == orientation  # a column of Parquet, a feature


@pytest.mark.parametrize(
    "meta",
    [
        {},
        {"json": 3},
        {"json": {"exif": None}},
        {"json": {"exif": "{}"}},
        {"exif": "Image Orientation"},
        {"exif": '{"Image Orientation": 6}'},
        {"exif": '{"Image Orientation": ["Rotated 180"]}'},
        {"exif": '["Image Orientation"]'},
        {"exif": '{"Image Orientation": "sideways"}'},
        {"exif": "[" * 100_000 + "Image Orientation"},
    ],
)
def test_what_says_nothing_is_upright(meta: dict[str, Any]) -> None:
    assert stored_orientation(meta) == 1
