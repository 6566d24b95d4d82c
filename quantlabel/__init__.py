"""The public names of quantlabel in one place.

`pipeline` and `transforms` are common names: a program that has modules called so imports from
here. The commands are functions here only: in `pipeline` there are folders of the same names.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import pipeline
import transforms
from transforms import _version

if TYPE_CHECKING:
    from pipeline import *  # noqa: F403
    from pipeline.api import *  # noqa: F403
    from transforms import *  # noqa: F403

__version__ = _version.VERSION

# Those of `pipeline.api`, which imports the command line.
_COMMANDS = [
    "duplicates",
    "evaluate",
    "export",
    "head_apply",
    "head_fit",
    "label",
    "labels_search",
    "model_compare",
    "model_export",
    "model_fetch",
    "model_info",
    "model_stand_in",
    "plan",
    "report",
    "review",
    "search",
    "verify",
    "view",
]

__all__ = ["__version__"]
__all__ += _COMMANDS
__all__ += pipeline.__all__
__all__ += transforms.__all__


def __getattr__(name: str) -> Any:
    """Loads a public name when it is first used, as the two packages do."""
    if name in _COMMANDS:
        return getattr(importlib.import_module("pipeline.api"), name)
    for package in (pipeline, transforms):
        if name in package.__all__:
            return getattr(package, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """All of them, for completion."""
    return sorted(__all__)
