from __future__ import annotations

from pathlib import Path

from pipeline.console.progress_bar import Counts
from pipeline.run.runners.progress import read_counts
from tests.helpers.reports import report_counts


def test_counts_of_all_workers_add_up(tmp_path: Path) -> None:
    assert read_counts(str(tmp_path)) == Counts(0, 0, 0)
    report_counts(tmp_path, "listed", [("entries", 9), ("duplicates", 2), ("skipped", 5)])
    report_counts(tmp_path, "labelled", list("abc"))
    report_counts(tmp_path, "labelled", list("d"))
    report_counts(tmp_path, "failed", list("ef"))
    assert read_counts(str(tmp_path)) == Counts(listed=7, labelled=4, failed=2)
    assert read_counts(str(tmp_path)).done == 6


def test_a_report_that_is_being_written_waits_for_its_turn(tmp_path: Path) -> None:
    report_counts(tmp_path, "labelled", list("abc"))
    (tmp_path / "partial").write_bytes(b"\0\0")
    assert read_counts(str(tmp_path)) == Counts(0, 3, 0)


def test_shards_are_pictures_of_which_nobody_knows_how_many(tmp_path: Path) -> None:
    report_counts(tmp_path, "listed", [("entries", 5), ("unread", 2)])
    assert read_counts(str(tmp_path)) == Counts(5, 0, 0, unread=2)
    report_counts(tmp_path, "listed", [("entries", 99), ("unread", -1)])
    assert read_counts(str(tmp_path)) == Counts(104, 0, 0, unread=1)
