"""A bar on a terminal, lines elsewhere."""

from __future__ import annotations

import functools
import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from pipeline.console import progress_bar
from pipeline.console.progress_bar import Counts, progress_line, shown, tracked
from pipeline.run.runners.progress import read_counts
from tests.helpers.reports import report_counts


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        (Counts(42, 0, 0, unread=2), "42 pictures listed, 2 archives to read"),
        (
            Counts(1500, 990, 10, unread=1),
            "1,000 of 1,500 or more pictures, 50/s, 10 failed, 1 archive to read",
        ),
        (Counts(1500, 0, 0), "1,500 pictures listed"),
        (Counts(1500, 990, 10), "1,000 of 1,500 pictures, 50/s, 10 failed, 10 s left"),
        (Counts(0, 1000, 0), "1,000 of 0 pictures, 50/s, 0 failed, 0 s left"),
    ],
)
def test_a_log_line_says_how_far_and_how_long(counts: Counts, expected: str) -> None:
    assert progress_line(counts, seconds=20.0) == expected


def test_the_bar_shows_the_last_counts(tmp_path: Path) -> None:
    terminal = Console(file=io.StringIO(), force_terminal=True, width=120)
    report_counts(tmp_path, "listed", [("entries", 3000)])
    report_counts(tmp_path, "failed", list("ef"))
    with shown(functools.partial(read_counts, str(tmp_path)), console=terminal):
        report_counts(tmp_path, "labelled", [None] * 2000)
    assert isinstance(terminal.file, io.StringIO)
    text = terminal.file.getvalue()
    assert "2,002/3,000" in text
    assert "2 failed" in text


def test_the_bar_knows_no_end_before_the_last_shard_is_read(tmp_path: Path) -> None:
    terminal = Console(file=io.StringIO(), force_terminal=True, width=120)
    assert isinstance(terminal.file, io.StringIO)
    report_counts(tmp_path, "listed", [("entries", 3000), ("unread", 1)])
    report_counts(tmp_path, "labelled", [None] * 2000)
    with shown(functools.partial(read_counts, str(tmp_path)), console=terminal, every=0.01):
        while "2,000/3,000+" not in terminal.file.getvalue():
            pass
        before = terminal.file.getvalue()
        report_counts(tmp_path, "listed", [("entries", 1000), ("unread", -1)])
    assert "1 archive to read" in before
    assert not re.search(r"--:--|\d:\d\d", before)  # no time, known or not
    assert "2,000/4,000 " in terminal.file.getvalue().removeprefix(before)


def test_elsewhere_there_are_lines_and_no_bar(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress_bar, "_LINE_SECONDS", 0.01)
    log = Console(file=io.StringIO(), width=120)
    assert isinstance(log.file, io.StringIO)
    report_counts(tmp_path, "listed", [("entries", 3000)])
    with shown(functools.partial(read_counts, str(tmp_path)), console=log):
        while "3,000 pictures listed\n" not in log.file.getvalue():
            pass
    assert "\x1b" not in log.file.getvalue()


@pytest.mark.parametrize("seen", [True, False])
def test_what_is_tracked_comes_through_and_counts_by_its_size(seen: bool) -> None:
    console = Console(file=io.StringIO(), force_terminal=seen, width=120)
    assert isinstance(console.file, io.StringIO)
    assert list(tracked(["a", "bcd"], "letters", total=4, size=len, console=console)) == [
        "a",
        "bcd",
    ]
    text = console.file.getvalue()
    assert ("letters" in text, "100%" in text) == (seen, seen)


def test_what_is_tracked_comes_through_without_a_console() -> None:
    assert list(tracked([1, 2], "numbers", total=2, console=None)) == [1, 2]
