"""`quantlabel review`: which pictures of a finished run a person should label next.

A tenth is drawn at random from all pictures: labelled, it gives an estimate of the accuracy that
the choice of the others does not distort. The others are uncertain (the two best classes, or labels
of the label map, are close), of which one stands for each group of near-identical pictures, and
diverse: the most uncertain pictures are clustered by their vectors, and each cluster gives its most
uncertain one.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipeline.explore.near_duplicates import COLUMNS, find_groups
from pipeline.explore.options import ReviewOptions
from pipeline.explore.vectors import Vectors, unit_vectors
from pipeline.export.label_studio_config import NONE_OF_THESE, image_address, labelling_config
from pipeline.run.folder.finished import FinishedRun, open_run
from transforms.errors import UsageError
from transforms.rows.marker import mark_files
from transforms.rows.spreadsheet import harmless
from transforms.storage import files

FILE = "review/review.csv"
CONFIG_FILE = "review/label_config.xml"

RANDOM_SHARE = 0.1
"""Of the budget: 50 pictures of 500 put an accuracy within 14 points, 19 times of 20."""

# Uncertain pictures that are clustered, for each that is wanted.
_POOL = 10

_NETWORK = ("label", "score")
_SHOWN = 10
_SEED = 0


def review(options: ReviewOptions) -> list[dict[str, Any]]:
    """Chooses pictures and writes them into the run's folder, the most doubtful first.

    Args:
        options: which run, and how many.

    Returns:
        The rows of `FILE`: `uri`, `image` (its address in Label Studio), `why` (random or
        uncertain), `label` and `score` (those of the label map, if the run has one), `margin`
        (between the two best) and `choices` (the names of the best classes).

    Raises:
        UserError: no run has finished there, its rows cannot be read, or it names one class a
            picture, which says nothing of doubt.
    """
    run = open_run(options.folder)
    if run.manifest.options.top_k < 2:
        raise UsageError(
            f"{options.folder}: labelled with --top-k 1, so how close the second class came is not "
            "known. Label again with the default."
        )
    chosen = choose(run, budget=options.budget)
    rows = sorted(_rows(run, chosen), key=lambda row: (row["margin"], row["uri"]))
    own = run.manifest.label_map
    names = own.labels if own else sorted({n for row in rows for n in row["choices"].split("|")})
    config = labelling_config([*names, NONE_OF_THESE]).encode()
    paths = (files.join(options.folder, name) for name in (FILE, CONFIG_FILE))
    with files.create_together(*paths) as (table, beside):
        table.write(_csv(rows))
        beside.write(config)
    mark_files(options.folder, FILE, CONFIG_FILE, command="review")
    return rows


def choose(run: FinishedRun, *, budget: int) -> dict[int, str]:
    """Positions of pictures among the predictions of the run, and why each was chosen."""
    tables = run.predictions(columns=["top_class_ids", "top_scores"])
    margins = np.concatenate([_margins(run, table) for table in tables])
    random = np.random.RandomState(_SEED)
    budget = min(budget, len(margins))
    # One at least, or nothing is left to estimate by.
    wanted_random = max(1, round(RANDOM_SHARE * budget))
    drawn = random.choice(len(margins), wanted_random, replace=False)
    chosen = dict.fromkeys(drawn.tolist(), "random")
    pool = _pool(run, margins, without=drawn, wanted=(budget - wanted_random) * _POOL)
    for position in _diverse(run, pool, wanted=budget - wanted_random):
        chosen[position] = "uncertain"
    return chosen


def _margins(run: FinishedRun, table: pa.Table) -> npt.NDArray[np.float32]:
    """Best score less the second best, float32[n]; 0 is complete doubt.

    With a label map the best classes of a label count together, as do those that have none: two
    kinds of cat are no doubt to whom both are cats.
    """
    scores = table["top_scores"].combine_chunks()
    flat, lengths = scores.flatten().to_numpy(), np.diff(np.asarray(scores.offsets))
    own = run.manifest.label_map
    if own is None:
        starts = np.cumsum(lengths) - lengths
        return np.asarray(flat[starts] - flat[starts + 1], np.float32)
    label = 1 + np.array(own.of_class, np.intp)  # 0: none
    classes = table["top_class_ids"].combine_chunks().flatten().to_numpy()
    sums = np.zeros((len(lengths), 1 + len(own.labels)), np.float32)
    rows = np.repeat(np.arange(len(lengths)), lengths)
    columns = label[classes]
    np.add.at(sums, (rows, columns), flat)
    second, best = np.sort(sums, axis=1)[:, -2:].T
    return np.asarray(best - second)


def _pool(
    run: FinishedRun,
    margins: npt.NDArray[np.float32],
    *,
    without: npt.NDArray[np.int64],
    wanted: int,
) -> npt.NDArray[np.int64]:
    """The most uncertain pictures, most uncertain first, one for each near-identical group."""
    groups = find_groups(lambda: run.predictions(columns=COLUMNS), count=len(margins)).group
    order = np.argsort(margins, kind="stable")
    # Those drawn at random are taken, whatever their doubt.
    order = order[~np.isin(order, without)]
    # A picture without a group stands for itself.
    keys = np.where(groups[order] >= 0, groups[order], len(margins) + order)
    _, first = np.unique(keys, return_index=True)
    return order[np.sort(first)][:wanted]


def _diverse(run: FinishedRun, pool: npt.NDArray[np.int64], *, wanted: int) -> list[int]:
    """The most uncertain picture of each of `wanted` clusters of the pool."""
    import faiss

    if len(pool) <= wanted:
        return [int(position) for position in pool]
    vectors = _vectors(run, pool)
    # FAISS warns below 39 pictures a cluster; here a cluster is to give one.
    clustering = faiss.Kmeans(
        vectors.shape[1], wanted, spherical=True, seed=_SEED, min_points_per_centroid=1
    )
    clustering.train(vectors)
    _, cluster = clustering.index.search(vectors, 1)
    _, first = np.unique(cluster[:, 0], return_index=True)  # the pool is sorted by doubt
    chosen = set(first.tolist())
    # A cluster that stayed empty gives its turn to the next most uncertain picture.
    rest = (at for at in range(len(pool)) if at not in chosen)
    while len(chosen) < wanted:
        chosen.add(next(rest))
    return [int(pool[at]) for at in sorted(chosen)]


def _vectors(run: FinishedRun, positions: npt.NDArray[np.int64]) -> Vectors:
    """The vectors of the pictures at these positions, in their order."""
    found = np.empty((len(positions), run.manifest.model.feature_size), np.float32)
    for here, table in _at(run, positions, ["embedding"]):
        found[here] = unit_vectors(table)
    return found


def _rows(run: FinishedRun, chosen: dict[int, str]) -> Iterator[dict[str, Any]]:
    positions = np.array(list(chosen), np.int64)
    named = ("mapped_label", "mapped_score") if run.manifest.label_map else _NETWORK
    columns = ["uri", *named, "top_class_ids", "top_labels", "top_scores"]
    for here, table in _at(run, positions, columns):
        for at, margin, row in zip(here, _margins(run, table), table.to_pylist(), strict=True):
            yield {
                "uri": row["uri"],
                "image": image_address(row["uri"]),
                "why": chosen[int(positions[at])],
                "label": row[named[0]],
                "score": round(row[named[1]], 4),
                "margin": round(float(margin), 4),
                "choices": "|".join(row["top_labels"]),
            }


def _at(
    run: FinishedRun, positions: npt.NDArray[np.int64], columns: list[str]
) -> Iterator[tuple[npt.NDArray[np.int64], pa.Table]]:
    """Rows at positions of the run, table by table, each with its places among `positions`."""
    order = np.argsort(positions)
    start = 0
    for table in run.predictions(columns=columns):
        low, high = np.searchsorted(positions[order], [start, start + table.num_rows])
        if low < high:
            here = order[low:high]
            yield here, table.take(positions[here] - start)
        start += table.num_rows


def _csv(rows: list[dict[str, Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    texts = ("label", "choices")
    for row in rows:  # the label is empty where the label map gave none
        writer.writerow(row | {name: harmless(row[name] or "") for name in texts})
    return text.getvalue().encode()


def print_review(rows: list[dict[str, Any]], *, folder: str, console: Console) -> None:
    """Prints how many were chosen for what reason, and the most doubtful of them.

    Args:
        rows: what `review` returned.
        folder: of the run.
        console: to print on.
    """
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("margin", justify="right")
    table.add_column("best classes")
    table.add_column("picture", overflow="fold")
    for row in rows[:_SHOWN]:
        names = ", ".join(row["choices"].split("|")[:2])
        table.add_row(f"{row['margin']:.3f}", escape(names), escape(row["uri"]))
    console.print(table)
    uncertain = sum(row["why"] == "uncertain" for row in rows)
    console.print(
        f"{len(rows):,} pictures: {uncertain:,} uncertain, {len(rows) - uncertain:,} at random",
        highlight=False,
    )
    for name in (FILE, CONFIG_FILE):
        console.print(escape(files.join(folder, name)), highlight=False)
