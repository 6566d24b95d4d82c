"""What Label Studio calls things: addresses of pictures and the configuration of a project."""

from __future__ import annotations

import os
from collections.abc import Iterable
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

from pipeline.labels.answers.rows import CHOICE
from transforms.storage.addresses import name_of

IMAGE = "image"
"""The picture's name in the configuration and in the data of a task."""

_BEFORE_DOLLAR = "\u200b"
"""Zero width."""

TASK_CHOICES = "choices"
"""Where a task keeps choices of its own, each `{"value": name}`."""


def image_address(uri: str) -> str:
    """The address under which Label Studio shows a picture.

    A remote one keeps its uri: gs:// works with a storage connection of the project. A local one is
    served by Label Studio itself, with LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED=true and
    LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT=/.
    """
    path = os.fsencode(name_of(uri).lstrip("/"))
    return uri if "://" in uri else f"/data/local-files/?d={quote(path)}"


def labelling_config(choices: Iterable[str]) -> str:
    """The XML of a project in which one of the choices is picked for each picture.

    Args:
        choices: what an annotator may choose. Label Studio 1.23 imports predictions with others
            without a word and shows none of them.
    """
    lines = "\n".join(f"    {_choice(choice)}" for choice in choices)
    return _config("", f"{lines}\n")


def _choice(choice: str) -> str:
    """One that begins with a dollar is a variable to Label Studio, unless its value is an alias."""
    if choice.startswith("$"):
        return f"<Choice alias={quoteattr(choice)} value={quoteattr(_BEFORE_DOLLAR + choice)}/>"
    return f"<Choice value={quoteattr(choice)}/>"


def labelling_config_by_task() -> str:
    """The XML of a project in which each task brings its own choices, as `data.choices`."""
    return _config(f'value="${TASK_CHOICES}"', "")


def _config(attribute: str, choices: str) -> str:
    """With the choices before the picture: below a tall one they would be out of sight."""
    attributes = f'name="{CHOICE}" toName="{IMAGE}" choice="single" {attribute}'.rstrip()
    return (
        "<View>\n"
        f"  <Choices {attributes}>\n"
        f"{choices}"
        "  </Choices>\n"
        f'  <Image name="{IMAGE}" value="${IMAGE}"/>\n'
        "</View>\n"
    )
