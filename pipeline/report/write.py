"""`quantlabel report`: a finished run to `__report/index.html` inside its folder."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator

import pyarrow as pa
from rich.console import Console

from pipeline.console.progress_bar import tracked
from pipeline.console.units import byte_size
from pipeline.report.duplicates import identical, near_identical
from pipeline.report.evaluation import evaluation_part
from pipeline.report.failures import by_reason
from pipeline.report.options import ReportOptions
from pipeline.report.own_labels import COLUMNS as OWN_COLUMNS
from pipeline.report.own_labels import own_labels
from pipeline.report.page import Content, render
from pipeline.report.selection import Selection, select
from pipeline.report.survey import COLUMNS, survey
from pipeline.report.thumbnails import Thumbnail, thumbnails
from pipeline.run.folder.finished import FinishedRun, open_run
from transforms.rows.marker import mark_files
from transforms.rows.names import REPORT_FILE
from transforms.storage import files


@dataclasses.dataclass(frozen=True)
class Report:
    """A report that was written.

    Attributes:
        path: of the page.
        size: of the page in bytes.
        pictures: shown on it.
        missing: of them, those whose file could not be read again.
    """

    path: str
    size: int
    pictures: int
    missing: int


def report(options: ReportOptions, *, console: Console | None = None) -> Report:
    """Writes the report on a finished run, in place of an earlier one.

    Args:
        options: which run.
        console: where progress goes, or None for none.

    Raises:
        UserError: no run has finished there, or its rows cannot be read.
    """
    run = open_run(options.folder)
    total = run.manifest.predictions
    rows = tracked(_rows(run), "reading rows", total=total, size=len, console=console)
    found = survey(rows)
    # What `quantlabel duplicates` found, if it has run since; equal files tell for free.
    duplicates = near_identical(run, lambda: _rows(run)) or identical(found, _rows(run))
    selection = select(found, duplicates, max_pictures=options.max_pictures)
    made = _thumbnails(run, selection)
    small = list(tracked(made, "thumbnails", total=len(selection.rows), console=console))
    content = Content(
        folder=os.path.abspath(run.folder) if files.is_local(run.folder) else run.folder,
        manifest=run.manifest,
        survey=found,
        duplicates=duplicates,
        failures=by_reason(run.failures()),
        selection=selection,
        thumbnails=small,
        evaluation=evaluation_part(run),
    )
    page = render(content).encode()
    path = files.join(run.folder, REPORT_FILE)
    files.write_bytes(path, page)
    mark_files(run.folder, REPORT_FILE, command="report")
    return Report(path, len(page), len(small), sum(not each.jpeg for each in small))


def _rows(run: FinishedRun) -> Iterator[pa.Table]:
    """By the labels of the label map, if the run has one."""
    own = own_labels(run.manifest)
    if own is None:
        return run.predictions(columns=COLUMNS)
    return map(own.replace, run.predictions(columns=(*COLUMNS, *OWN_COLUMNS)))


def _thumbnails(run: FinishedRun, selection: Selection) -> Iterator[Thumbnail]:
    """With the limits that the run itself had."""
    limits = run.manifest.options
    return thumbnails(
        selection.rows,
        max_bytes=limits.max_bytes,
        max_pixels=limits.max_pixels,
        image_key=limits.image_key,
    )


def print_report(written: Report, *, console: Console) -> None:
    """Says where the page is and what it shows."""
    shown = f"{written.pictures:,} pictures"
    if written.missing:
        shown += f", {written.missing:,} of them without a thumbnail: the file cannot be read"
    console.print(f"{shown}; {byte_size(written.size)}", markup=False)
    console.print(written.path, markup=False, soft_wrap=True)
