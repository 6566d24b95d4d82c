"""`quantlabel report`: a finished run to `__report/index.html` inside its folder."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import itertools
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from rich.console import Console

from pipeline.console.extras import is_there
from pipeline.console.progress_bar import tracked
from pipeline.console.units import byte_size, pictures
from pipeline.explore.neighbours import nearest
from pipeline.explore.vector_map import NEIGHBOURS, vector_map
from pipeline.explore.vectors import unit_vectors
from pipeline.labels.options import LabelKind
from pipeline.labels.pictures import Listed
from pipeline.report import columns
from pipeline.report.duplicates import Duplicates, identical, near_identical
from pipeline.report.evaluation import evaluation_part, truths
from pipeline.report.failures import by_reason
from pipeline.report.options import ReportOptions
from pipeline.report.own_labels import replace, unlabelled
from pipeline.report.page import HINT, Content, in_json, ranked, render
from pipeline.report.page_rows import page_rows
from pipeline.report.selection import select
from pipeline.report.survey import COLUMNS, Survey, hash_numbers, survey
from pipeline.report.thumbnails import Thumbnail, thumbnails
from pipeline.run.folder.finished import FinishedRun, open_run
from pipeline.run.folder.own_labels import OwnLabels, own_labels
from transforms.errors import UserError
from transforms.rows.marker import mark_files
from transforms.rows.names import REPORT_FILE
from transforms.storage import files

MOST_BYTES = 15_000_000
"""Of a page: there are fewer thumbnails where it would have more."""

_REST = 400_000
"""Bytes of a page besides rows and thumbnails, with room to spare."""

_EXTRA = ("faiss", "openTSNE")
"""What a map needs."""

_THUMBNAIL = 8_000
"""Bytes of a thumbnail in base64; few have more."""


@dataclasses.dataclass(frozen=True)
class Report:
    """A report that was written.

    Attributes:
        path: of the page.
        size: of the page in bytes.
        rows: that it holds.
        pictures: with a thumbnail.
        missing: of those that were to have a thumbnail, those whose file could not be read again.
        no_extra: it has no map, since packages are missing.
    """

    path: str
    size: int
    rows: int
    pictures: int
    missing: int
    no_extra: bool


@dataclasses.dataclass(frozen=True)
class Gathered:
    """What a page shows, before it is a page.

    Attributes:
        run: that it is of.
        content: all that is on it.
        rows: those it holds, with `uri` and `sha256`, by their position.
        no_extra: it has no map, since packages are missing.
    """

    run: FinishedRun
    content: Content
    rows: pa.Table
    no_extra: bool


def report(options: ReportOptions, *, console: Console | None = None) -> Report:
    """Writes the report on a finished run, in place of an earlier one.

    Args:
        options: which run.
        console: where progress goes, or None for none.

    Raises:
        UserError: as `gather`.
    """
    gathered = gather(options, console=console)
    page = render(gathered.content).encode()
    path = files.join(options.folder, REPORT_FILE)
    mark_files(options.folder, REPORT_FILE, command="report")
    files.write_bytes(path, page)
    small = gathered.content.thumbnails
    missing = sum(not each.jpeg for each in small.values())
    return Report(
        path=path,
        size=len(page),
        rows=gathered.rows.num_rows,
        pictures=len(small) - missing,
        missing=missing,
        no_extra=gathered.no_extra,
    )


def gather(options: ReportOptions, *, console: Console | None = None) -> Gathered:
    """Reads a finished run for its page; writes nothing.

    Args:
        options: which run.
        console: where progress goes, or None for none.

    Raises:
        UserError: no run has finished there, or its rows cannot be read, or
            it labelled none of the pictures that are wanted.
    """
    run = open_run(options.folder)
    listed = Listed(options.uris) if options.uris else None
    wanted = _Wanted(run, own_labels(run, options.labels), listed)
    found, duplicates = _surveyed(wanted, console)
    if not found.rows:
        raise UserError(f"{run.folder}: it labelled none of the pictures in {options.uris}")
    # The figures are those of all pictures.
    evaluation = evaluation_part(run, paths=options.paths) if listed is None else None
    has_vectors = run.manifest.model.feature_size > 0
    mapped = has_vectors and all(map(is_there, _EXTRA))
    rows = _page_rows(wanted, found, duplicates, mapped=mapped)
    data = _data(rows, found, duplicates, paths=options.paths)
    if mapped:
        with _waiting(console, f"a map of {pictures(rows.num_rows)}"):
            data |= _layout(rows)
    right = pa.nulls(rows.num_rows, pa.bool_())
    if evaluation and evaluation.labels == wanted.kind:
        truth, right = truths(run, rows["uri"].combine_chunks())
        data["truth"] = columns.truth_columns(truth, right)
    rows_json = in_json(data)
    room = max(0, MOST_BYTES - _REST - len(rows_json.encode()))
    chosen = select(
        classes=rows["class_id"].to_numpy(),
        scores=rows["score"].to_numpy(),
        groups=[group["rows"] for group in data["groups"]],
        wrong=pc.equal(right, False).fill_null(False).to_numpy(zero_copy_only=False),
        copies=_copies(rows),
        most=min(options.max_pictures, room // _THUMBNAIL),
    )
    made = _thumbnails(run, rows.take(pa.array(chosen, pa.int64())))
    seen = tracked(made, "thumbnails", total=len(chosen), console=console)
    small = dict(_that_fit(zip(chosen, seen, strict=True), room))
    content = Content(
        folder=os.path.abspath(run.folder) if files.is_local(run.folder) else run.folder,
        paths=options.paths,
        manifest=run.manifest,
        survey=found,
        duplicates=duplicates,
        own=wanted.own,
        are_labelled=wanted.are_labelled,
        failures=by_reason(wanted.of(run.failures())),
        evaluation=evaluation,
        rows_json=rows_json,
        thumbnails=small,
    )
    return Gathered(run, content, rows.select(["uri", "sha256"]), has_vectors and not mapped)


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

    @property
    def kind(self) -> LabelKind:
        """As an evaluation calls the labels."""
        if self.own is None:
            return "network"
        return "head" if self.own.head else "mapped"

    def rows(self, names: Sequence[str]) -> Iterator[pa.Table]:
        """The predictions with these columns."""
        if self.own is None:
            rows = self.of(self.run.predictions(columns=names))
            return rows if self.are_labelled else map(unlabelled, rows)
        shards = self.own.shards(columns=(*names, *self.own.columns))
        own = functools.partial(replace, self.own)
        return map(own, self.of(itertools.chain.from_iterable(shards)))

    def of(self, tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
        """The rows among those with `uri` that are wanted."""
        for table in tables:
            if self.listed is None:
                yield table
            else:
                yield table.filter(pa.array(self.listed.among(table["uri"].to_pylist())))


def _surveyed(wanted: _Wanted, console: Console | None) -> tuple[Survey, Duplicates]:
    """Counts; and what `duplicates` found, if it has run since, else the files that are equal."""
    run, tables = wanted.run, wanted.rows(COLUMNS)
    total = run.manifest.predictions
    found = survey(tracked(tables, "reading rows", total=total, size=len, console=console))
    read = functools.partial(wanted.rows, COLUMNS)
    near = near_identical(run, read) if wanted.listed is None else None
    return found, near or identical(found, read())


def _page_rows(wanted: _Wanted, found: Survey, duplicates: Duplicates, *, mapped: bool) -> pa.Table:
    """With the vectors if there is to be a map."""
    names = (*COLUMNS, *columns.FLAGS, *(["embedding"] if mapped else []))
    also = {row["uri"] for group in duplicates.shown for row in group.rows}
    if found.least_certain is not None:
        also.update(found.least_certain["uri"].to_pylist())
    return page_rows(wanted.rows(names), count=found.rows, also=also)


def _data(rows: pa.Table, found: Survey, duplicates: Duplicates, *, paths: bool) -> dict[str, Any]:
    """What the script on the page draws from, but for map, truth and thumbnails."""
    flags = columns.flag_columns(rows)
    places = {uri: place for place, uri in enumerate(rows["uri"].to_pylist())}
    labels = ranked(found)
    return {
        "of": found.rows,
        "labels": [[entry.label, entry.synset] for _, entry in labels],
        **columns.row_columns(rows, [class_id for class_id, _ in labels], paths=paths),
        **({"flags": flags} if flags else {}),
        "groups": [
            {"count": group.count, "rows": [places[row["uri"]] for row in group.rows]}
            for group in duplicates.shown
        ],
    }


def _layout(rows: pa.Table) -> dict[str, Any]:
    vectors = np.nan_to_num(unit_vectors(rows))
    neighbours = nearest(vectors, k=NEIGHBOURS)
    return {
        "map": columns.map_columns(vector_map(vectors, neighbours)),
        "near": columns.neighbour_columns(neighbours),
    }


def _copies(rows: pa.Table) -> npt.NDArray[np.bool_]:
    """Whether a row before has the same bytes, bool[n]."""
    _, first = np.unique(hash_numbers(rows["sha256"]), return_index=True)
    copies = np.ones(rows.num_rows, np.bool_)
    copies[first] = False
    return copies


def _waiting(console: Console | None, what: str) -> contextlib.AbstractContextManager[object]:
    """Says what takes a while, to whoever sees it."""
    seen = console is not None and console.is_terminal
    return console.status(what) if console and seen else contextlib.nullcontext()


def _thumbnails(run: FinishedRun, rows: pa.Table) -> Iterator[Thumbnail]:
    """With the limits that the run itself had."""
    limits = run.manifest.options
    return thumbnails(
        rows.select(["uri", "sha256"]).to_pylist(),
        max_bytes=limits.max_bytes,
        max_pixels=limits.max_pixels,
        image_key=limits.image_key,
    )


def _that_fit(made: Iterable[tuple[int, Thumbnail]], room: int) -> Iterator[tuple[int, Thumbnail]]:
    for place, thumbnail in made:
        room -= len(thumbnail.jpeg)
        if room >= 0:
            yield place, thumbnail


def print_report(written: Report, *, console: Console) -> None:
    """Says where the page is and what it shows."""
    shown = f"{byte_size(written.size)}: {pictures(written.rows)}"
    if written.pictures < written.rows:
        shown += f", {written.pictures:,} of them with a thumbnail"
    if written.missing:
        shown += f", {written.missing:,} whose file cannot be read"
    console.print(shown, markup=False)
    if written.no_extra:
        console.print(f"No map: {HINT}.", markup=False)
    console.print(written.path, markup=False, soft_wrap=True)
