"""Reports of workers."""

from __future__ import annotations

from pathlib import Path

from pipeline.run.runners import progress
from pipeline.run.runners.progress import CountPictures


def report_counts(folder: Path, kind: progress.Kind, elements: list[object]) -> None:
    counter = CountPictures(str(folder), kind)
    counter.setup()
    assert [out for element in elements for out in counter.process(element)] == elements
    counter.finish_bundle()
