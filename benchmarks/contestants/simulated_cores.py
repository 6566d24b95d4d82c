"""Labels as a machine of so many cores would if loading a picture took 2 ms: each load sleeps.

    python simulated_cores.py CORES label --input FOLDER ...

The network and everything else run as they are, on the cores that there are. Sleep does not
contend for Python's lock as real work does: this shows where a run waits for itself, not how fast
such a machine is.
"""

from __future__ import annotations

import functools
import importlib
import os
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

_SECONDS = 0.002

_LOADERS = ("transforms.loader", "transforms.images.loader")
"""Where `load` is called, in versions to compare with and now. The earlier place comes first: an
installation from a checkout finds today's modules beside those of an earlier version."""


def _replace_load() -> None:
    """Lets loading a picture take as long as it is said to, whatever its content is."""
    earlier, now = _LOADERS
    result: Callable[..., Any]
    try:
        loader = importlib.import_module(earlier)
        result = _plain
    except ModuleNotFoundError:
        loader = importlib.import_module(now)
        preprocess = importlib.import_module("transforms.images.preprocess")
        result = functools.partial(preprocess.Loaded, colour="none")

    def load(data: bytes, how: Any = None, **changed: Any) -> Any:  # noqa: ARG001
        time.sleep(_SECONDS)
        size = changed["size"] if how is None else how.size
        return result(np.zeros((size, size, 3), np.uint8), 500, 375, "JPEG")

    loader.load = load  # type: ignore[attr-defined]


def _plain(*values: Any) -> tuple[Any, ...]:
    """What `load` returned in the earlier version."""
    return values


def main() -> None:
    """Changes how many cores there seem to be, then runs the command."""
    cores = int(sys.argv.pop(1))
    os.sched_getaffinity = lambda _: set(range(cores))
    os.cpu_count = lambda: cores
    _replace_load()
    from pipeline.cli import main as run

    sys.exit(run())


if __name__ == "__main__":
    main()
