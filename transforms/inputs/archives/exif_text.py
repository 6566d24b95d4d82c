"""Which way up a picture was before a tool took its EXIF data out of it and kept them beside it.

img2dataset decodes pictures without turning them, writes them anew without EXIF data, and keeps
those as a text: `{"Image Orientation": "Rotated 90 CW", ...}`, in the words of `exifread`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

_TAG = "Image Orientation"
_WORDS = (
    *("Horizontal (normal)", "Mirrored horizontal", "Rotated 180", "Mirrored vertical"),
    "Mirrored horizontal then rotated 90 CCW",
    "Rotated 90 CW",
    "Mirrored horizontal then rotated 90 CW",
    "Rotated 90 CCW",
)


def stored_orientation(meta: Mapping[str, Any]) -> int:
    """EXIF orientation 1..8 that comes along with a picture; 1 where nothing is said.

    Args:
        meta: of the picture: with the text in `exif`, or in the `exif` of its sibling `.json`.
    """
    for holder in (meta, meta.get("json")):
        exif = holder.get("exif") if isinstance(holder, Mapping) else None
        if isinstance(exif, str) and _TAG in exif:
            return _orientation(exif)
    return 1


def _orientation(exif: str) -> int:
    try:
        tags = json.loads(exif)
    except (ValueError, RecursionError):
        return 1
    said = tags.get(_TAG) if isinstance(tags, Mapping) else None
    return _WORDS.index(said) + 1 if said in _WORDS else 1
