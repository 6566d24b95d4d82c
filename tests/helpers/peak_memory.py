"""How much memory a process takes at its peak to decode pictures, beyond what it has before.

    python -m tests.helpers.peak_memory load FOLDER BUDGET THREADS
    python -m tests.helpers.peak_memory thumbnails FOLDER BUDGET THREADS
    python -m tests.helpers.peak_memory each FOLDER

The first two decode all files of a folder by so many threads and print the results and the bytes;
the last one decodes them one by one and prints for each the bytes taken and those asked for.
"""

from __future__ import annotations

import gc
import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.report import thumbnails
from tests.helpers.encoded import encoded
from transforms.ahead import Ahead
from transforms.images import loader_pool
from transforms.images.loader import Loader
from transforms.images.preprocess import load
from transforms.images.settings import METHODS, Preprocessing
from transforms.records import Failure, Image, ImageRef

_MAX_PIXELS = 100_000_000
_MAX_BYTES = 256 * 1024 * 1024


def _status(name: str) -> int:
    """Bytes, by /proc/self/status."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(name))


def _begin() -> int:
    """Forgets the peak so far; returns what is taken now."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")
    return _status("VmRSS")


def _warm_up() -> None:
    """Loads what the first picture of a format loads."""
    for encoding in ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP"):
        for method in METHODS:
            load(encoded(np.zeros((64, 64, 3), np.uint8), encoding), method=method)


def _load(paths: Sequence[Path], budget: int) -> int:
    loader = Loader(Preprocessing(max_pixels=_MAX_PIXELS, max_bytes=_MAX_BYTES))
    pool = loader_pool.LoaderPool(memory=budget)
    ahead: Ahead[Image | Failure] = Ahead()
    for path in paths:
        ahead.append(pool.submit(loader, [ImageRef(str(path))]))
    return sum(not isinstance(ahead.pop()[0], Failure) for _ in paths)


def _thumbnails(paths: Sequence[Path]) -> int:
    rows: list[dict[str, Any]] = [
        {"uri": str(path), "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
        for path in paths
    ]
    made = thumbnails.thumbnails(rows, max_bytes=_MAX_BYTES, max_pixels=_MAX_PIXELS)
    return sum(bool(thumbnail.jpeg) for thumbnail in made)


def _main(what: str, folder: str, *limits: str) -> None:
    paths = sorted(Path(folder).iterdir())
    _warm_up()
    if what == "each":
        for path in paths:
            for method in METHODS:
                data, asked = path.read_bytes(), [0]
                before = _begin()
                load(data, method=method, max_pixels=_MAX_PIXELS, reserve=asked.append)
                print(path.name, method, _status("VmHWM") - before, asked[-1])
        return
    budget, threads = map(int, limits)
    vars(loader_pool).update(cores=lambda: threads)
    vars(thumbnails).update(cores=lambda: threads, default_budget=lambda _: budget)
    before = _begin()
    count = _load(paths, budget) if what == "load" else _thumbnails(paths)
    print(count, _status("VmHWM") - before)


if __name__ == "__main__":
    _main(*sys.argv[1:])
