"""CVAT's `CVAT for images 1.1`: tags of pictures, in annotations.xml or the zip around it."""

from __future__ import annotations

import io
import struct
import xml.etree.ElementTree as ET
import zipfile
import zlib
from collections.abc import Iterator

from pipeline.labels.answers.answer import SEVERAL, SKIPPED, Answer
from transforms.errors import UserError

_FILE = "annotations.xml"

_BY_PEOPLE = ("manual", "semi-auto", None)
"""What CVAT writes as `source` of a tag; `auto` and `file` are guesses that nobody touched."""


def cvat_answers(path: str, content: bytes) -> Iterator[Answer]:
    """The tags that people gave; those of a model or an import are no answer.

    Args:
        path: of the file, for messages.
        content: of annotations.xml, or of the zip with it.

    Raises:
        UserError: it is not what CVAT exports.
    """
    try:
        root = ET.fromstring(_xml(path, content))
    except ET.ParseError as error:
        raise UserError(f"{path}: not readable as XML ({error})") from error
    images = root.findall("image")
    if root.tag != "annotations" or not images:
        raise UserError(
            f"{path}: expected an export of CVAT with tags of pictures (CVAT for images 1.1)"
        )
    meta = root.find("meta")
    who = _text(meta, ".//assignee/username")
    for image in images:
        name = image.get("name", "")
        labels = {
            tag.get("label", "") for tag in image.findall("tag") if tag.get("source") in _BY_PEOPLE
        }
        yield Answer(
            f"{path} image {name}",
            {"uri" if "://" in name or name.startswith("/") else "file": name},
            {"label": labels.pop()} if len(labels) == 1 else None,
            annotator=who,
            missing=SEVERAL if len(labels) > 1 else "" if len(labels) == 1 else SKIPPED,
        )


_DAMAGE = (
    *(zipfile.BadZipFile, zlib.error, EOFError, OSError, struct.error),
    *(ValueError, LookupError, OverflowError),
    RuntimeError,  # of one with a password; of a method that Python does not know, too
)
"""What `zipfile` raises for files that it cannot read."""


def _text(meta: ET.Element | None, where: str) -> str:
    found = None if meta is None else meta.findtext(where)
    return found or ""


def _xml(path: str, content: bytes) -> bytes:
    if not content.startswith(b"PK"):
        return content
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return archive.read(_FILE)
    except _DAMAGE as error:
        raise UserError(f"{path}: expected a zip of CVAT with {_FILE} ({error})") from error
