"""What a run of quantlabel is: options, model, graph, run folder, command line."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.models.image_model import load_model
    from pipeline.models.load import load_network

__all__ = ["load_model", "load_network"]

_HOMES = {"load_model": "models.image_model", "load_network": "models.load"}


def __getattr__(name: str) -> Any:
    """Loads the public names when they are first used: the command line starts without them."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
