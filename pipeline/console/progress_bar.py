"""Live progress: a bar on a terminal, a line in a notebook, lines elsewhere."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, TypeVar

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.table import Column

from pipeline.console.terminal import in_notebook
from pipeline.console.units import pictures

_LINE_SECONDS = 10.0
_CELL_SECONDS = 0.5

_Item = TypeVar("_Item")


def tracked(
    items: Iterable[_Item],
    what: str,
    *,
    total: int,
    console: Console | None,
    size: Callable[[Any], int] = lambda _: 1,
) -> Iterator[_Item]:
    """Passes items on, with a bar while that lasts if somebody sees it.

    Args:
        items: what is worked on.
        what: they are.
        total: of their sizes.
        console: to show the bar on, if it is a terminal; None for nowhere.
        size: of one; tables count by their rows with `len`.
    """
    seen = console is not None and console.is_terminal
    with Progress(console=console, transient=True, disable=not seen) as progress:
        task = progress.add_task(what, total=total)
        for item in items:
            yield item
            progress.advance(task, size(item))


class Counts(NamedTuple):
    """How far a run is.

    Attributes:
        listed: pictures found so far and not done already; an archive is one until it is read.
        labelled: of them.
        failed: of them.
        unread: archives whose end is not reached: nobody knows how many they hold.
    """

    listed: int
    labelled: int
    failed: int
    unread: int = 0

    @property
    def done(self) -> int:
        """Pictures with a row."""
        return self.labelled + self.failed


class _Rate(ProgressColumn):
    """Pictures a second since the first one was found."""

    def render(self, task: Task) -> str:
        seconds = task.elapsed or 0.0
        return f"{task.completed / seconds:,.0f}/s" if seconds > 0 else ""


@contextlib.contextmanager
def shown(read: Callable[[], Counts], *, console: Console, every: float = 0.2) -> Iterator[None]:
    """Shows the counts while the body runs.

    On a terminal as a bar, in a notebook as one line that changes, elsewhere a line now and then.

    Args:
        read: tells the counts.
        console: to show them on.
        every: seconds between two questions for them, at least.
    """
    stop = threading.Event()
    show = _show_cell if in_notebook() else _show_bar if console.is_terminal else _show_lines
    # A daemon: if the body is killed, nothing waits for the next look.
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
        _Rate(table_column=Column(no_wrap=True)),  # where there is little room, the bar is shorter
        TextColumn("{task.fields[failed]:,} failed"),
        TextColumn("{task.fields[left]}"),
        TimeRemainingColumn(compact=True, table_column=Column(no_wrap=True)),
        console=console,
        transient=True,
    )
    with progress:
        task = progress.add_task("Listing pictures", total=None, of="?", failed=0, left="")
        finished = False
        while not finished:
            # Asked once more after the end, so that the last counts are shown.
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
                    left=_archives(counts),
                )
            else:
                progress.update(task, of=f"{counts.listed:,}", left=_archives(counts))


def _show_lines(
    read: Callable[[], Counts], console: Console, stop: threading.Event, every: float
) -> None:
    started = time.monotonic()
    while not stop.wait(max(every, _LINE_SECONDS)):
        console.print(
            progress_line(read(), seconds=time.monotonic() - started),
            highlight=False,
            soft_wrap=True,  # a log has lines of any length
        )


def _show_cell(read: Callable[[], Counts], _: Console, stop: threading.Event, every: float) -> None:
    from IPython.display import display

    started = time.monotonic()
    shown: Any = None
    finished = False
    while not finished:
        finished = stop.wait(max(every, _CELL_SECONDS))
        line = progress_line(read(), seconds=time.monotonic() - started)
        text = {"text/plain": line}
        if shown is None:
            shown = display(text, raw=True, display_id=True)
        else:
            shown.update(text, raw=True)


def progress_line(counts: Counts, *, seconds: float) -> str:
    """What a log shows of a run that has lasted for `seconds`.

    How long it will take can be told only when every archive has been read.
    """
    archives = _archives(counts)
    if not counts.done:
        return f"{pictures(counts.listed)} listed" + (f", {archives}" if archives else "")
    rate = counts.done / seconds
    left = max(counts.listed - counts.done, 0) / rate
    return (
        f"{counts.done:,} of {counts.listed:,}{' or more' if archives else ''} pictures, "
        f"{rate:,.0f}/s, {counts.failed:,} failed, {archives or f'{left:.0f} s left'}"
    )


def _archives(counts: Counts) -> str:
    """What is not known yet."""
    some = "archive" if counts.unread == 1 else "archives"
    return f"{counts.unread:,} {some} to read" if counts.unread > 0 else ""
