"""StageArchives: what was found in archives, to files that survive the run that read them."""

from __future__ import annotations

import contextlib
import dataclasses
import time
import uuid
from collections.abc import Iterator
from typing import Any

import apache_beam as beam

from transforms.bundles import in_window
from transforms.inputs.archives.finished import FinishedArchive, write_finished
from transforms.rows import stage_rows
from transforms.rows.names import ARCHIVES
from transforms.storage import files


@dataclasses.dataclass(eq=False)
class StageArchives(beam.PTransform):  # type: ignore[misc]
    """Writes PCollection[FinishedArchive] to files; returns their paths, PCollection[str].

    Attributes:
        folder: of the attempt.
    """

    folder: str

    def expand(self, archives: beam.PCollection[FinishedArchive]) -> beam.PCollection[str]:
        """Builds the graph: one ParDo."""
        return archives | "Stage" >> beam.ParDo(_Stage(self.folder))


class _Stage(beam.DoFn):  # type: ignore[misc]
    """As often as rows are saved: an archive without its rows is read again in any case."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def setup(self) -> None:
        self._held: list[FinishedArchive] = []

    def start_bundle(self) -> None:
        self._held = []
        self._due = time.monotonic() + stage_rows.CHECKPOINT_SECONDS

    def process(self, archive: FinishedArchive) -> Iterator[str]:
        self._held.append(archive)
        if time.monotonic() >= self._due:
            yield self._save()

    def finish_bundle(self) -> Iterator[Any]:
        if self._held:
            yield in_window(self._save())

    def teardown(self) -> None:
        if self._held:
            with contextlib.suppress(OSError):  # what the bundle may have failed with
                self._save()

    def _save(self) -> str:
        stem, dot, suffix = ARCHIVES.partition(".")
        path = files.join(self._folder, f"{stem}-{uuid.uuid4().hex}{dot}{suffix}")
        write_finished(path, self._held)
        self.start_bundle()
        return path
