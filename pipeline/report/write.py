"""`quantlabel report`: a finished run to `__report/index.html` inside its folder."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import os
from collections.abc import Iterable, Iterator

import pyarrow as pa
from rich.console import Console

from pipeline.console.progress_bar import tracked
from pipeline.console.units import byte_size
from pipeline.labels.pictures import Listed
from pipeline.report.duplicates import identical, near_identical
from pipeline.report.evaluation import evaluation_part
from pipeline.report.failures import by_reason
from pipeline.report.options import ReportOptions
from pipeline.report.own_labels import replace, unlabelled
from pipeline.report.page import Content, render
from pipeline.report.selection import Selection, select
from pipeline.report.survey import COLUMNS, survey
from pipeline.report.thumbnails import Thumbnail, thumbnails
from pipeline.run.folder.finished import FinishedRun, open_run
from pipeline.run.folder.own_labels import OwnLabels, own_labels
from transforms.errors import UserError
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
        UserError: no run has finished there, or its rows cannot be read, or
            it labelled none of the pictures that are wanted.
    """
    run = open_run(options.folder)
    wanted = _Wanted(
        run, own_labels(run, options.labels), Listed(options.uris) if options.uris else None
    )
    total = run.manifest.predictions
    rows = tracked(wanted.rows(), "reading rows", total=total, size=len, console=console)
    found = survey(rows)
    if not found.rows:
        raise UserError(f"{run.folder}: it labelled none of the pictures in {options.uris}")
    if not wanted.are_labelled:
        found.least_certain = None
    # What `quantlabel duplicates` found, if it has run since; equal files tell for free.
    near = near_identical(run, wanted.rows) if wanted.listed is None else None
    duplicates = near or identical(found, wanted.rows())
    selection = select(found, duplicates, max_pictures=options.max_pictures)
    made = _thumbnails(run, selection)
    small = list(tracked(made, "thumbnails", total=len(selection.rows), console=console))
    content = Content(
        folder=os.path.abspath(run.folder) if files.is_local(run.folder) else run.folder,
        manifest=run.manifest,
        survey=found,
        duplicates=duplicates,
        own=wanted.own,
        are_labelled=wanted.are_labelled,
        failures=by_reason(wanted.of(run.failures())),
        selection=selection,
        thumbnails=small,
        # The figures are those of all pictures.
        evaluation=evaluation_part(run) if wanted.listed is None else None,
    )
    page = render(content).encode()
    path = files.join(run.folder, REPORT_FILE)
    mark_files(run.folder, REPORT_FILE, command="report")
    files.write_bytes(path, page)
    return Report(path, len(page), len(small), sum(not each.jpeg for each in small))


@dataclasses.dataclass(frozen=True)
class _Wanted:
    """Which pictures, and by which labels; None for all, and for the network's."""

    run: FinishedRun
    own: OwnLabels | None
    listed: Listed | None

    @property
    def are_labelled(self) -> bool:
        """Whether the pictures have any labels."""
        return self.own is not None or len(self.run.manifest.model.classes) > 0

    def rows(self) -> Iterator[pa.Table]:
        """The predictions with `COLUMNS`."""
        if self.own is None:
            rows = self.of(self.run.predictions(columns=COLUMNS))
            return rows if self.are_labelled else map(unlabelled, rows)
        shards = self.own.shards(columns=(*COLUMNS, *self.own.columns))
        own = functools.partial(replace, self.own)
        return map(own, self.of(itertools.chain.from_iterable(shards)))

    def of(self, tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
        """The rows among those with `uri` that are wanted."""
        for table in tables:
            if self.listed is None:
                yield table
            else:
                yield table.filter(pa.array(self.listed.among(table["uri"].to_pylist())))


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
