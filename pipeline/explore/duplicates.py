"""`quantlabel duplicates`: which pictures of a finished run are there more than once."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipeline.explore.near_duplicates import COLUMNS, Groups, find_groups
from pipeline.explore.options import DuplicatesOptions
from pipeline.run.folder.finished import FinishedRun, open_run
from transforms._version import VERSION
from transforms.inputs.archives.parquet import VERSION_KEY
from transforms.rows.marker import mark_files
from transforms.rows.names import DUPLICATES_FILE, GROUPS_FILE
from transforms.storage import files

_SHOWN = 10
_DESCRIBED = ("uri", "sha256", "width", "height", "size", "label")


def duplicates(options: DuplicatesOptions) -> tuple[dict[str, Any], pa.Table]:
    """Finds groups of identical and near-identical pictures and writes them into the run's folder.

    Args:
        options: which run.

    Returns:
        The summary, as in `DUPLICATES_FILE`, and the table of `GROUPS_FILE`: a row for
        each picture of a group, the one to keep first.

    Raises:
        UserError: no run has finished there, or its rows cannot be read.
    """
    run = open_run(options.folder)
    groups = find_groups(
        lambda: run.predictions(columns=COLUMNS),
        count=run.manifest.predictions,
        threshold=options.threshold,
    )
    table = _described(run, groups).replace_schema_metadata({VERSION_KEY: run.manifest.version})
    summary = _summary(options, run, groups, table)
    text = json.dumps(summary, indent=2, ensure_ascii=False)
    paths = (files.join(options.folder, name) for name in (GROUPS_FILE, DUPLICATES_FILE))
    with files.create_together(*paths) as (rows, beside):
        pq.write_table(table, rows, compression="zstd")
        beside.write(f"{text}\n".encode())
    mark_files(options.folder, GROUPS_FILE, DUPLICATES_FILE, command="duplicates")
    return summary, table


def _described(run: FinishedRun, groups: Groups) -> pa.Table:
    """The grouped pictures with what helps to choose among them."""
    parts, start = [], 0
    for table in run.predictions(columns=_DESCRIBED):
        end = start + table.num_rows
        here = np.flatnonzero(groups.group[start:end] >= 0)
        parts.append(_with_groups(table.take(here), groups, here + start))
        start = end
    return _keep_first(pa.concat_tables(parts))


def _with_groups(table: pa.Table, groups: Groups, at: npt.NDArray[np.int64]) -> pa.Table:
    columns = {
        "group": pa.array(groups.group[at], pa.int32()),
        "identical": pa.array(groups.identical[at]),
        "similarity": pa.array(groups.similarity[at], pa.float32()),
    }
    for name, values in columns.items():
        table = table.append_column(name, values)
    return table


def _keep_first(table: pa.Table) -> pa.Table:
    """Sorted by group, the picture with most pixels (then bytes, then by uri) first and kept."""
    pixels = pc.multiply(table["width"].cast(pa.int64()), table["height"].cast(pa.int64()))
    ranked = table.append_column("pixels", pixels).sort_by(
        [
            ("group", "ascending"),
            ("pixels", "descending"),
            ("size", "descending"),
            ("uri", "ascending"),
        ]
    )
    group = ranked["group"].to_numpy()
    # Sorted by group: a picture leads its group where the number changes.
    first = np.diff(group, prepend=-1) != 0
    kept = ranked.append_column("keep", pa.array(first))
    return kept.select(["group", "keep", "identical", "similarity", *_DESCRIBED])


def _summary(
    options: DuplicatesOptions, run: FinishedRun, groups: Groups, table: pa.Table
) -> dict[str, Any]:
    return {
        "version": VERSION,
        "run": {"started": run.manifest.started},
        "threshold": options.threshold,
        "pictures": len(groups.group),
        "groups": int(groups.group.max(initial=-1)) + 1,
        "in_groups": table.num_rows,
        "identical": int(groups.identical.sum()),
        "could_go": table.num_rows - int(groups.group.max(initial=-1)) - 1,
        "model": run.manifest.model.as_dict(),
        "preprocess": run.manifest.preprocess.as_dict(),
    }


def print_duplicates(
    summary: dict[str, Any], table: pa.Table, *, folder: str, console: Console
) -> None:
    """Prints the summary and the largest groups.

    Args:
        summary: what `duplicates` returned.
        table: what `duplicates` returned.
        folder: of the run.
        console: to print on.
    """
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold")
    grid.add_column(overflow="fold")
    grid.add_row("pictures", f"{summary['pictures']:,}")
    grid.add_row("groups", f"{summary['groups']:,} of pictures that are alike")
    grid.add_row("identical", f"{summary['identical']:,} pictures with the bytes of another")
    grid.add_row("could go", f"{summary['could_go']:,}, if one of each group stays")
    grid.add_row("output", escape(files.join(folder, GROUPS_FILE)))
    console.print(grid)
    if table.num_rows:
        console.print(_largest(table))


def _largest(table: pa.Table) -> Table:
    sizes = np.bincount(table["group"].to_numpy())
    shown = Table(title="Largest groups", title_justify="left", box=None, padding=(0, 2, 0, 0))
    shown.add_column("pictures", justify="right")
    shown.add_column("label")
    shown.add_column("the one to keep", overflow="fold")
    kept = table.filter(table["keep"]).to_pylist()
    for row in sorted(kept, key=lambda row: (-sizes[row["group"]], row["group"]))[:_SHOWN]:
        shown.add_row(f"{sizes[row['group']]:,}", row["label"], escape(row["uri"]))
    return shown
