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
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, NamedTuple, cast

import apache_beam as beam
from apache_beam.metrics import Metrics
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn

_WRITE_SECONDS = 0.2
_LINE_SECONDS = 10.0
_COUNTS = struct.Struct("<qqqq")

NAMESPACE = "quantlabel"
"""Of the counters where a runner shows them; their names are the fields of `Counts`."""

Kind = Literal["listed", "labelled", "failed", "unread"]


class Counts(NamedTuple):
    """How far a run is.

    Attributes:
        listed: pictures found so far and not done already; a shard is one until it is read.
        labelled: of them.
        failed: of them.
        unread: shards of pictures whose end is not reached: nobody knows how many they hold.
    """

    listed: int
    labelled: int
    failed: int
    unread: int = 0

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

    def add(self, kind: Kind, count: int) -> None:
        """Counts some more pictures."""
        self._counts[kind] += count
        if time.monotonic() - self._written > _WRITE_SECONDS:
            self.write()

    def write(self) -> None:
        """Brings the file up to date."""
        with open(self._path, "wb") as file:
            file.write(_COUNTS.pack(*self._counts.values()))
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
    with made as folder, shown(functools.partial(read_counts, folder), console=console):
        yield folder


@contextlib.contextmanager
def shown(read: Callable[[], Counts], *, console: Console, every: float = 0.2) -> Iterator[None]:
    """Shows the counts while the body runs: a bar on a terminal, a line now and then elsewhere.

    Args:
        read: tells the counts.
        console: to show them on.
        every: seconds between two questions for them, at least.
    """
    stop = threading.Event()
    show = _show_bar if console.is_terminal else _show_lines
    thread = threading.Thread(target=show, args=(read, console, stop, every), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _show_bar(
    read: Callable[[], Counts], console: Console, stop: threading.Event, every: float
) -> None:
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f}/{task.fields[of]}"),
        _Rate(),
        TextColumn("{task.fields[failed]:,} failed"),
        TextColumn("{task.fields[left]}"),
        TimeRemainingColumn(compact=True),
        console=console,
        transient=True,
    )
    with progress:
        task = progress.add_task("Listing pictures", total=None, of="?", failed=0, left="")
        finished = False
        while not finished:
            finished = stop.wait(every)
            counts = read()
            if counts.done:
                progress.update(
                    task,
                    description="Labelling",
                    # Without a total there is no time left to be shown.
                    total=None if counts.unread else counts.listed,
                    of=f"{counts.listed:,}{'+' if counts.unread else ''}",
                    completed=counts.done,
                    failed=counts.failed,
                    left=_shards(counts),
                )
            else:
                progress.update(task, of=f"{counts.listed:,}", left=_shards(counts))


def _show_lines(
    read: Callable[[], Counts], console: Console, stop: threading.Event, every: float
) -> None:
    started = time.monotonic()
    while not stop.wait(max(every, _LINE_SECONDS)):
        console.print(
            progress_line(read(), seconds=time.monotonic() - started),
            highlight=False,
        )


def progress_line(counts: Counts, *, seconds: float) -> str:
    """What a log shows of a run that has lasted for `seconds`.

    How long it will take can be told only when every shard has been read.
    """
    shards = _shards(counts)
    if not counts.done:
        return f"{counts.listed:,} pictures listed" + (f", {shards}" if shards else "")
    rate = counts.done / seconds
    left = max(counts.listed - counts.done, 0) / rate
    return (
        f"{counts.done:,} of {counts.listed:,}{' or more' if shards else ''} pictures, "
        f"{rate:,.0f}/s, {counts.failed:,} failed, {shards or f'{left:.0f} s left'}"
    )


def _shards(counts: Counts) -> str:
    """What is not known yet."""
    some = "shard" if counts.unread == 1 else "shards"
    return f"{counts.unread:,} {some} to read" if counts.unread > 0 else ""
