"""What a run of quantlabel is: options, model, graph, run folder, command line."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.models.image_model import load_model
    from pipeline.models.load import load_network
    from pipeline.run.folder.rows import LabelledRun, open_run

__all__ = ["LabelledRun", "load_model", "load_network", "open_run"]

_HOMES = {
    "LabelledRun": "run.folder.rows",
    "load_model": "models.image_model",
    "load_network": "models.load",
    "open_run": "run.folder.rows",
}


def __getattr__(name: str) -> Any:
    """Loads the public names when they are first used: the command line starts without them."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
