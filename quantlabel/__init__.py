"""The public names of quantlabel in one place.

`pipeline` and `transforms` are common names: a program that has modules called so imports from
here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pipeline
import transforms
from transforms import _version

if TYPE_CHECKING:
    from pipeline import *  # noqa: F403
    from transforms import *  # noqa: F403

__version__ = _version.VERSION

__all__ = ["__version__"]
__all__ += pipeline.__all__
__all__ += transforms.__all__


def __getattr__(name: str) -> Any:
    """Loads a public name when it is first used, as the two packages do."""
    for package in (pipeline, transforms):
        if name in package.__all__:
            return getattr(package, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
