"""What one person said of one picture, and how tools name the picture."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import unquote, unquote_to_bytes, urlsplit

NONE_OF_THESE = "none of these"
"""A choice of every configuration: what is in a picture need not be among the labels."""

SKIPPED = "skipped"
SEVERAL = "several"
"""Why there is no one label: the person passed the picture over, or named more than one thing."""

LOCAL_FILES = "/data/local-files/"
"""Where a Label Studio server has the files of its machine; `?d=` has the path."""

_PATH = re.compile(r"(?:^|&)d=([^&]+)")
_UPLOAD = re.compile(r"/data/upload/\d+/[0-9a-f]{8}-(.+)")


class Answer(NamedTuple):
    """What one person said of one picture.

    Attributes:
        where: file and line, row or task, for messages.
        picture: `uri`, the whole address, or `file`, the end of it.
        said: `class_id`, `synset` and `label`, those that are there; None if there is no answer.
        annotator: who said so; empty where the file does not tell.
        round: in which round; empty where the file does not tell.
        time: ISO 8601, when; empty where the file does not tell. Of a person the latest counts.
        missing: `SKIPPED` or `SEVERAL`, where `said` is None.
        columns: of the row, for messages.
    """

    where: str
    picture: Mapping[str, str]
    said: Mapping[str, str] | None
    annotator: str = ""
    round: str = ""
    time: str = ""
    missing: str = ""
    columns: tuple[str, ...] = ()


def says_none(values: Mapping[str, str]) -> bool:
    """Whether the answer is that none of the labels fits."""
    return values.get("label", "").strip().casefold() == NONE_OF_THESE


def picture_of(values: Mapping[str, Any]) -> dict[str, str]:
    """The picture of a row or task: `uri` or `file`, else the address in Label Studio.

    Args:
        values: with `uri`, `file` or `image`.

    Returns:
        `uri` or `file` alone; nothing if none of them is there.
    """
    for name in ("uri", "file"):
        if values.get(name):
            return {name: str(values[name])}
    image = values.get("image")
    return _of_address(str(image)) if image else {}


def _of_address(image: str) -> dict[str, str]:
    try:
        parts = urlsplit(image)
    except ValueError:  # no host can be called so
        return {"uri": image}
    if parts.path.startswith(LOCAL_FILES) and (found := _PATH.search(parts.query)):
        return {"uri": "/" + os.fsdecode(unquote_to_bytes(found[1])).lstrip("/")}
    if uploaded := _UPLOAD.fullmatch(parts.path):
        return {"file": unquote(uploaded[1])}
    return {"uri": image} if "://" in image or image.startswith("/") else {"file": image}
