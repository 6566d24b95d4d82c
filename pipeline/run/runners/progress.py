"""How far a run is: counted by the running transforms, shown by the launcher.

A service is asked for Beam's own counters. A DirectRunner answers no question while it runs, and
its workers may be other processes, so there the counts travel through one tiny file a process.
"""

from __future__ import annotations

import contextlib
import functools
import glob
import os
import struct
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping
from typing import Any, Literal, cast

import apache_beam as beam
from apache_beam.metrics import Metrics
from rich.console import Console

from pipeline.console.progress_bar import Counts, shown

_WRITE_SECONDS = 0.2
# Of one size, so that a reader can tell a whole report from half of one.
_COUNTS = struct.Struct("<qqqq")

NAMESPACE = "quantlabel"
"""Of the counters where a runner shows them; their names are the fields of `Counts`."""

Kind = Literal["listed", "labelled", "failed", "unread"]


class Report:
    """What one process has counted, in a file of its own, renewed a few times a second.

    Args:
        folder: where the reports go; the launcher removes it.
    """

    def __init__(self, folder: str) -> None:
        self._path = os.path.join(folder, uuid.uuid4().hex)
        self._counts = dict.fromkeys(Counts._fields, 0)
        self._written = 0.0

    def add(self, kind: Kind, count: int) -> None:
        """Counts some more pictures."""
        self._counts[kind] += count
        if time.monotonic() - self._written > _WRITE_SECONDS:
            self.write()

    def write(self) -> None:
        """Brings the file up to date."""
        try:
            with open(self._path, "wb") as file:
                file.write(_COUNTS.pack(*self._counts.values()))
        except OSError as error:  # a disk that is full does not say which file it has no room for
            raise OSError(error.errno, error.strerror, self._path) from error
        self._written = time.monotonic()


_TALLIED: Mapping[str, tuple[Kind, int]] = {
    "entries": ("listed", 1),
    "duplicates": ("listed", -1),
    "reused": ("listed", -1),
    "unread": ("unread", 1),
}


def _counted(kind: Kind, element: Any) -> tuple[Kind, int]:
    """What an element counts for, and how much.

    Those of kind `listed` are tallies: of `ReadResult.listing`, `LoadResult`, and of what is kept.
    """
    if kind != "listed":
        return kind, 1
    name, count = cast("tuple[str, int]", element)
    counted, sign = _TALLIED.get(name, (kind, 0))
    return counted, sign * count


class MeterPictures(beam.DoFn):  # type: ignore[misc]
    """Passes everything on and counts it for the runner, which shows it and answers questions.

    Args:
        kind: what the elements are.
    """

    def __init__(self, kind: Kind) -> None:
        self._kind = kind
        self._counters = {name: Metrics.counter(NAMESPACE, name) for name in Counts._fields}

    def process(self, element: Any) -> Iterator[Any]:
        """Counts one element."""
        counted, count = _counted(self._kind, element)
        self._counters[counted].inc(count)
        yield element


class CountPictures(beam.DoFn):  # type: ignore[misc]
    """Passes everything on and reports how much it saw.

    Args:
        folder: as in `Report`.
        kind: what the elements are.
    """

    def __init__(self, folder: str, kind: Kind) -> None:
        self._folder = folder
        self._kind = kind

    def setup(self) -> None:
        """Names the report."""
        # One for each copy of this step: two writers of one file would lose counts.
        self._report = Report(self._folder)

    def process(self, element: Any) -> Iterator[Any]:
        """Counts one element."""
        self._report.add(*_counted(self._kind, element))
        yield element

    def finish_bundle(self) -> None:
        """Reports the rest."""
        self._report.write()


def read_counts(folder: str) -> Counts:
    """The sum of all reports in the folder."""
    reports = []
    for path in glob.glob(os.path.join(glob.escape(folder), "*")):
        with open(path, "rb") as file:
            content = file.read()
        if len(content) == _COUNTS.size:  # else it is being written: its turn comes
            reports.append(_COUNTS.unpack(content))
    return Counts(*map(sum, zip(*reports, strict=True))) if reports else Counts(0, 0, 0)


@contextlib.contextmanager
def reports(*, console: Console | None) -> Iterator[str | None]:
    """A folder for reports whose counts are shown while the body runs; None without a console."""
    if console is None:
        yield None
        return
    made = tempfile.TemporaryDirectory(prefix="quantlabel-progress-")
    with made as folder, shown(functools.partial(read_counts, folder), console=console):
        yield folder
