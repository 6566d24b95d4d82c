"""How far a local run is: counted by the running transforms, shown by the launcher.

A DirectRunner answers no question while it runs, and its workers may be other processes, so the
counts travel through one tiny file a process.
"""

from __future__ import annotations

import contextlib
import glob
import os
import struct
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import apache_beam as beam
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn

_WRITE_SECONDS = 0.2
_LINE_SECONDS = 10.0
_COUNTS = struct.Struct("<qqq")

Kind = Literal["listed", "labelled", "failed"]


class Counts(NamedTuple):
    """Pictures found so far, labelled and failed."""

    total: int
    labelled: int
    failed: int

    @property
    def done(self) -> int:
        """Pictures with a row."""
        return self.labelled + self.failed


class Report:
    """What one process has counted, in a file of its own, renewed a few times a second.

    Args:
        folder: where the reports go; the launcher removes it.
    """

    def __init__(self, folder: str) -> None:
        self._path = os.path.join(folder, uuid.uuid4().hex)
        self._counts = dict.fromkeys(Counts._fields, 0)
        self._written = 0.0

    def add(self, kind: str, count: int) -> None:
        """Counts some pictures.

        Args:
            kind: one of the fields of `Counts`.
            count: how many more.
        """
        self._counts[kind] += count
        if time.monotonic() - self._written > _WRITE_SECONDS:
            self.write()

    def write(self) -> None:
        """Brings the file up to date."""
        with open(self._path, "wb") as file:
            file.write(_COUNTS.pack(*self._counts.values()))
        self._written = time.monotonic()


class CountPictures(beam.DoFn):  # type: ignore[misc]
    """Passes everything on and reports how much it saw.

    Args:
        folder: as in `Report`.
        kind: what it counts; `listed` expects the elements of `ReadResult.listing`, and of tallies
            with what is `reused` and so not to be done.
    """

    def __init__(self, folder: str, kind: Kind) -> None:
        self._folder = folder
        self._kind = kind

    def setup(self) -> None:
        """Names the report."""
        self._report = Report(self._folder)

    def process(self, element: Any) -> Iterator[Any]:
        """Counts one element."""
        if self._kind != "listed":
            self._report.add(self._kind, 1)
        elif element[0] in ("entries", "duplicates", "reused"):
            self._report.add("total", element[1] if element[0] == "entries" else -element[1])
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
    return (
        Counts(*(sum(column) for column in zip(*reports, strict=True)))
        if reports
        else Counts(0, 0, 0)
    )


class _Rate(ProgressColumn):
    """Pictures a second since the first one was found."""

    def render(self, task: Task) -> str:
        seconds = task.elapsed or 0.0
        return f"{task.completed / seconds:,.0f}/s" if seconds > 0 else ""


@contextlib.contextmanager
def reports(*, console: Console | None) -> Iterator[str | None]:
    """A folder for reports whose counts are shown while the body runs; None without a console."""
    if console is None:
        yield None
        return
    made = tempfile.TemporaryDirectory(prefix="quantlabel-progress-")
    with made as folder, shown(folder, console=console):
        yield folder


@contextlib.contextmanager
def shown(folder: str, *, console: Console) -> Iterator[None]:
    """Shows the counts while the body runs: a bar on a terminal, a line now and then elsewhere.

    Args:
        folder: where `CountPictures` reports.
        console: to show them on.
    """
    stop = threading.Event()
    show = _show_bar if console.is_terminal else _show_lines
    thread = threading.Thread(target=show, args=(folder, console, stop), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _show_bar(folder: str, console: Console, stop: threading.Event) -> None:
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f}/{task.fields[of]}"),
        _Rate(),
        TextColumn("{task.fields[failed]:,} failed"),
        TimeRemainingColumn(compact=True),
        console=console,
        transient=True,
    )
    with progress:
        task = progress.add_task("Listing pictures", total=None, of="?", failed=0)
        finished = False
        while not finished:
            finished = stop.wait(_WRITE_SECONDS)
            counts = read_counts(folder)
            if counts.done:
                progress.update(
                    task,
                    description="Labelling",
                    total=counts.total,
                    of=f"{counts.total:,}",
                    completed=counts.done,
                    failed=counts.failed,
                )
            else:
                progress.update(task, of=f"{counts.total:,}")


def _show_lines(folder: str, console: Console, stop: threading.Event) -> None:
    started = time.monotonic()
    while not stop.wait(_LINE_SECONDS):
        console.print(
            progress_line(read_counts(folder), seconds=time.monotonic() - started),
            highlight=False,
        )


def progress_line(counts: Counts, *, seconds: float) -> str:
    """What a log shows of a run that has lasted for `seconds`."""
    if not counts.done:
        return f"{counts.total:,} pictures listed"
    rate = counts.done / seconds
    left = max(counts.total - counts.done, 0) / rate
    return (
        f"{counts.done:,} of {counts.total:,} pictures, {rate:,.0f}/s, "
        f"{counts.failed:,} failed, {left:.0f} s left"
    )
