"""What Label Studio calls things: addresses of pictures and the configuration of a project."""

from __future__ import annotations

import os
from collections.abc import Iterable
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

from transforms.storage.addresses import name_of

CHOICE = "choice"
IMAGE = "image"
"""Names in the configuration, which pre-annotations refer to."""

TASK_CHOICES = "choices"
"""Where a task keeps choices of its own, each `{"value": name}`."""

NONE_OF_THESE = "none of these"
"""A choice of every configuration: what is in a picture need not be among the labels."""


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
        choices: what an annotator may choose; Label Studio refuses pre-annotations with others.
    """
    lines = "\n".join(f"    <Choice value={quoteattr(choice)}/>" for choice in choices)
    return _config('showInline="true"', f"{lines}\n")


def labelling_config_by_task() -> str:
    """The XML of a project in which each task brings its own choices, as `data.choices`."""
    return _config(f'value="${TASK_CHOICES}"', "")


def _config(attribute: str, choices: str) -> str:
    return (
        "<View>\n"
        f'  <Image name="{IMAGE}" value="${IMAGE}"/>\n'
        f'  <Choices name="{CHOICE}" toName="{IMAGE}" choice="single" {attribute}>\n'
        f"{choices}"
        "  </Choices>\n"
        "</View>\n"
    )
