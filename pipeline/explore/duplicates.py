"""`quantlabel duplicates`: which pictures of a finished run are there more than once."""

from __future__ import annotations

import json
import posixpath
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
from transforms.rows.marker import staged
from transforms.rows.names import DUPLICATES_FILE, GROUPS_FILE
from transforms.storage import files

_GROUPS, _SUMMARY = map(posixpath.basename, (GROUPS_FILE, DUPLICATES_FILE))

_SHOWN = 10

_BYTES_A_PIXEL = 0.02
"""Below this a picture has little in it. The 200 photographs of docs/commands/duplicates.md have
0.087 and more, as JPEG of quality 20 still 0.024; a white A4 page has 0.012 as JPEG, 0.002 as PNG.
"""

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
    run = open_run(options.folder, with_vectors=True)
    little = _little_in_them(run)
    groups = find_groups(
        lambda: run.predictions(columns=COLUMNS),
        count=run.manifest.predictions,
        threshold=options.threshold,
        apart=little,
    )
    table = _described(run, groups).replace_schema_metadata({VERSION_KEY: run.manifest.version})
    summary = _summary(options, run, groups, table, little)
    text = json.dumps(summary, indent=2, ensure_ascii=False)
    place = files.join(options.folder, posixpath.dirname(GROUPS_FILE))
    with staged(place, command="duplicates", names=[_GROUPS, _SUMMARY]) as staging:
        with files.create(files.join(staging, _GROUPS)) as file:
            pq.write_table(table, file, compression="zstd")
        files.write_bytes(files.join(staging, _SUMMARY), f"{text}\n".encode())
    return summary, table


def _little_in_them(run: FinishedRun) -> npt.NDArray[np.bool_]:
    """Pictures with little in them, bool[n]: blank pages, empty forms, black frames.

    At the network's size they all look alike, so nothing but their bytes tells them apart.
    """
    parts = [np.zeros(0, np.bool_)]
    for table in run.predictions(columns=["width", "height", "size"]):
        width, height, size = (
            table[name].cast(pa.float64()).fill_null(np.inf).to_numpy()
            for name in ("width", "height", "size")
        )
        parts.append(size < _BYTES_A_PIXEL * width * height)
    return np.concatenate(parts)


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
        "least": pa.array(groups.least[at], pa.float32()),
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
    return kept.select(["group", "keep", "identical", "similarity", "least", *_DESCRIBED])


def _summary(
    options: DuplicatesOptions,
    run: FinishedRun,
    groups: Groups,
    table: pa.Table,
    little: npt.NDArray[np.bool_],
) -> dict[str, Any]:
    return {
        "version": VERSION,
        "run": {"started": run.manifest.started},
        "threshold": options.threshold,
        "pictures": len(groups.group),
        "groups": int(groups.group.max(initial=-1)) + 1,
        "in_groups": table.num_rows,
        "identical": int(groups.identical.sum()),
        "could_go": _copies(table),
        "look_alike": table.num_rows - int(groups.group.max(initial=-1)) - 1 - _copies(table),
        "compared_by_bytes": int(little.sum()),
        "model": run.manifest.model.as_dict(),
        "preprocess": run.manifest.preprocess.as_dict(),
    }


def _copies(table: pa.Table) -> int:
    """Pictures whose very bytes are there once more: these can go without a look."""
    return int(table.num_rows - len(pc.unique(table["sha256"])))


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
    grid.add_row("could go", f"{summary['could_go']:,}, of which the same bytes stay")
    if summary["look_alike"]:
        grid.add_row("look first", f"{summary['look_alike']:,} more only look alike")
    if summary["compared_by_bytes"]:
        grid.add_row(
            "kept apart",
            f"{summary['compared_by_bytes']:,} with little in them, such as blank pages: "
            "their vectors say nothing, so only their bytes were compared",
        )
    grid.add_row("output", escape(files.join(folder, GROUPS_FILE)))
    console.print(grid)
    if table.num_rows:
        console.print(_largest(table))


def _largest(table: pa.Table) -> Table:
    sizes = np.bincount(table["group"].to_numpy())
    shown = Table(title="\nLargest groups", title_justify="left", box=None, padding=(0, 2, 0, 0))
    shown.add_column("pictures", justify="right")
    shown.add_column("least cosine", justify="right")
    shown.add_column("label")
    shown.add_column("the one to keep", overflow="fold")
    kept = table.filter(table["keep"]).to_pylist()
    for row in sorted(kept, key=lambda row: (-sizes[row["group"]], row["group"]))[:_SHOWN]:
        shown.add_row(
            f"{sizes[row['group']]:,}", f"{row['least']:.3f}", row["label"], escape(row["uri"])
        )
    return shown
