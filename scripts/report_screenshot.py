"""Draws docs/report.webp: the report on a run of made-up pictures and made-up labels.

    python -m scripts.report_screenshot

It needs what the tests need, Chromium and its driver among them.
"""

from __future__ import annotations

import base64
import hashlib
import io
import itertools
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.report.write import ReportOptions, report
from tests.browser import chromium, open_page
from tests.encoded import encoded, waves
from tests.finished_runs import plausible, some_failures, write_run
from transforms.records import Prediction

TARGET = Path(__file__).resolve().parent.parent / "docs" / "report.webp"
_WIDTH, _HEIGHT = 1280, 1500
_PICTURES, _CLASSES = 240, 30


def main() -> None:
    """Makes the pictures, the run, its report and a picture of that."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "holiday"
        write_run(folder, _rows(Path(name)), some_failures(3))
        report(ReportOptions(folder=str(folder)))
        with chromium(width=_WIDTH) as window:
            open_page(window, folder / "report/index.html")
            area = {"x": 0, "y": 0, "width": _WIDTH, "height": _HEIGHT, "scale": 1}
            shot = window.execute_cdp_cmd(
                "Page.captureScreenshot", {"captureBeyondViewport": True, "clip": area}
            )
    Image.open(io.BytesIO(base64.b64decode(shot["data"]))).save(TARGET, quality=70, method=6)


def _rows(folder: Path) -> Iterator[Prediction]:
    """Rows with the frequencies of a real collection; a class's pictures share their colours."""
    classes: dict[int, int] = {}
    for number, row in enumerate(itertools.islice(_frequent(), _PICTURES)):
        seed = classes.setdefault(row.class_id, len(classes))
        path = folder / f"IMG_{number:04d}.jpg"
        path.write_bytes(_picture(seed, number))
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        size = path.stat().st_size
        yield row._replace(uri=str(path), sha256=digest, width=480, height=360, size=size)


def _frequent() -> Iterator[Prediction]:
    """Of plausible rows those of a few classes."""
    rows = plausible(6_000)
    kept: dict[int, None] = {}
    for row in rows:
        if len(kept) < _CLASSES:
            kept[row.class_id] = None
        if row.class_id in kept:
            yield row


def _picture(seed: int, number: int) -> bytes:
    random = np.random.RandomState(seed)
    pattern = waves(360, 480, period=60 + 40 * random.rand() + number % 17).astype(np.float32)
    tint = random.randint(40, 255, 3) / 160
    return encoded(np.clip(pattern * tint, 0, 255).astype(np.uint8), "JPEG", quality=85)


if __name__ == "__main__":
    main()
