"""`quantlabel review`: which pictures of a finished run a person should label next.

A tenth is drawn at random from all pictures: labelled, it gives an estimate of the accuracy that
the choice of the others does not distort. The others are uncertain (the two best classes, or labels
of the label map, are close), of which one stands for each group of near-identical pictures, and
diverse: the most uncertain pictures are clustered by their vectors, and each cluster gives its most
uncertain one.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import posixpath
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipeline.console.units import pictures
from pipeline.explore.near_duplicates import COLUMNS, find_groups
from pipeline.explore.options import ReviewOptions
from pipeline.explore.vectors import Vectors, unit_vectors
from pipeline.export.label_studio_config import image_address
from pipeline.export.source import Selection, Source, open_source
from pipeline.export.write import folders_of, write
from pipeline.labels.answers.guesses import CHOICES, GUESS, MARGIN, WHY
from pipeline.labels.answers.votes import UNKNOWN
from pipeline.labels.flags import flagged
from pipeline.labels.options import TruthOptions
from pipeline.labels.truth import FileTruth
from pipeline.labels.vocabularies import OwnLabels
from pipeline.run.folder.finished import FinishedRun, open_run, require_quality
from pipeline.run.folder.own_labels import require_labels_of
from transforms.errors import UsageError, UserError
from transforms.flags import Flags
from transforms.rows.marker import staged
from transforms.rows.names import REVIEW_FOLDER
from transforms.rows.spreadsheet import harmless
from transforms.storage import files

FILE = f"{REVIEW_FOLDER}/review.csv"

RANDOM_SHARE = 0.1
"""Of the budget: 50 pictures of 500 put an accuracy within 14 points, 19 times of 20."""

# Uncertain pictures that are clustered, for each that is wanted.
_POOL = 10

_SHOWN = 10
_SEED = 0


def review(options: ReviewOptions) -> list[dict[str, Any]]:
    """Chooses pictures and writes them into the run's folder, the most doubtful first.

    They are written as `FILE`, and as `quantlabel export` writes a run for each target.

    Args:
        options: which run, how many, and for whom.

    Returns:
        The rows of `FILE`: `uri`, `image` (its address in Label Studio, empty inside an archive),
        `why` (random or uncertain), `guess` and `score` (by the labels that `options` asks
        for), `margin` (between the two best), `choices` (the names of the best classes) and
        `round`.

    Raises:
        UserError: no run has finished there, its rows cannot be read, it names one class a picture,
            which says nothing of doubt, or every picture has been answered.
    """
    run = open_run(options.folder, with_vectors=True)
    source = open_source(run, labels=options.labels)
    require_labels_of(run, source.own, doing="review")
    if run.manifest.options.top_k < 2 and not _has_head(source):
        raise UsageError(
            f"{options.folder}: labelled with --top-k 1, so how close the second class came is not "
            "known. Label again with the default."
        )
    unwanted = _answered(run, options.answered) | _unflagged(run, options.flags)
    chosen = choose(source, budget=options.budget, unwanted=unwanted)
    rows = sorted(_rows(source, chosen, options), key=lambda row: (row["margin"], row["uri"]))
    place = files.join(options.folder, REVIEW_FOLDER)
    targets, name = list(dict.fromkeys(options.to)), posixpath.basename(FILE)
    names = [*(f"{to}.json" for to in targets), name]
    with staged(place, command="review", names=names, folders=folders_of(targets)) as staging:
        copies: dict[str, str] = {}
        for to in targets:
            _, copied = write(
                _selected(source, rows),
                to,
                staging=staging,
                place=place,
                copy_pictures=options.copy_pictures,
            )
            copies |= copied
        for row in rows:
            picture = copies.get(row["uri"]) or source.picture(row["uri"])
            row["image"] = image_address(picture) if picture else ""
        files.write_bytes(files.join(staging, name), _csv(rows))
    return rows


def _selected(source: Source, rows: list[dict[str, Any]]) -> Source:
    """The chosen pictures, in their order, with what their tasks tell of them."""
    selection = Selection(
        order={row["uri"]: at for at, row in enumerate(rows)},
        data={row["uri"]: {WHY: row[WHY], "round": row["round"]} for row in rows},
    )
    return dataclasses.replace(source, selection=selection)


def _answered(run: FinishedRun, paths: tuple[str, ...]) -> npt.NDArray[np.bool_]:
    """Which pictures of the run people have been asked about, bool[predictions]."""
    if not paths:
        return np.zeros(run.manifest.predictions, np.bool_)
    truth = FileTruth(TruthOptions(truth=paths), OwnLabels())
    tables = run.predictions(columns=["uri"])
    return np.concatenate([truth.classes(table["uri"].to_pylist()) != UNKNOWN for table in tables])


def _unflagged(run: FinishedRun, flags: tuple[str, ...]) -> npt.NDArray[np.bool_]:
    """Which pictures of the run have none of the flags that are wanted, bool[predictions]."""
    if not flags:
        return np.zeros(run.manifest.predictions, np.bool_)
    require_quality(run)
    tables = run.predictions(columns=Flags._fields)
    return np.concatenate([~flagged(table, flags).to_numpy() for table in tables])


def choose(
    source: Source, *, budget: int, unwanted: npt.NDArray[np.bool_] | None = None
) -> dict[int, str]:
    """Positions of pictures among the predictions of the run, and why each was chosen.

    Args:
        source: whose pictures, and by which labels.
        budget: how many.
        unwanted: bool[predictions], what is passed over; None for nothing.

    Raises:
        UserError: nothing is left.
    """
    run = source.run
    tables = source.predictions(columns=_best_columns(source))
    margins = np.concatenate([_margins(source, table) for table in tables])
    left = np.arange(len(margins)) if unwanted is None else np.flatnonzero(~unwanted)
    if not len(left):
        raise UserError(f"{run.folder}: people have been asked about every picture that is wanted")
    random = np.random.RandomState(_SEED)
    budget = min(budget, len(left))
    # One at least, or nothing is left to estimate by.
    wanted_random = max(1, round(RANDOM_SHARE * budget))
    drawn = left[random.choice(len(left), wanted_random, replace=False)]
    chosen = dict.fromkeys(drawn.tolist(), "random")
    passed = np.setdiff1d(np.arange(len(margins)), left)
    without = np.concatenate([drawn, passed])
    pool = _pool(run, margins, without=without, wanted=(budget - wanted_random) * _POOL)
    for position in _diverse(run, pool, wanted=budget - wanted_random):
        chosen[position] = "uncertain"
    return chosen


def _has_head(source: Source) -> bool:
    return source.own is not None and source.own.head is not None


def _best_columns(source: Source) -> list[str]:
    """What tells of the best classes, or of the best labels of a head; their scores last."""
    if _has_head(source):
        return ["head_top_labels", "head_top_scores"]
    return ["top_class_ids", "top_scores"]


def _margins(source: Source, table: pa.Table) -> npt.NDArray[np.float32]:
    """Best score less the second best, float32[n]; 0 is complete doubt.

    With a label map the best classes of a label count together, as do those that have none: two
    kinds of cat are no doubt to whom both are cats.
    """
    scores = table[_best_columns(source)[-1]].combine_chunks()
    flat, lengths = scores.flatten().to_numpy(), np.diff(np.asarray(scores.offsets))
    own = source.run.manifest.label_map
    if source.own is None or own is None or source.own.head:
        starts = np.cumsum(lengths) - lengths
        return np.asarray(flat[starts] - flat[starts + 1], np.float32)
    label = np.zeros(len(source.run.manifest.model.classes), np.intp)  # 0: none
    label[: len(own.of_class)] = 1 + np.array(own.of_class, np.intp)
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
    for here, table in _at(run.predictions(columns=["embedding"]), positions):
        found[here] = unit_vectors(table)
    return found


def _rows(
    source: Source, chosen: dict[int, str], options: ReviewOptions
) -> Iterator[dict[str, Any]]:
    positions = np.array(list(chosen), np.int64)
    best = _best_columns(source)
    tables = source.predictions(columns=["uri", *source.label_columns, *best])
    for here, table in _at(tables, positions):
        for at, margin, row in zip(here, _margins(source, table), table.to_pylist(), strict=True):
            guess, score = source.label(row)
            choices = row[best[0]]
            if not _has_head(source):
                choices = [source.names[class_id] for class_id in choices]
            yield {
                "uri": row["uri"],
                "image": "",
                WHY: chosen[int(positions[at])],
                GUESS: guess,
                "score": round(score, 4),
                MARGIN: round(float(margin), 4),
                CHOICES: "|".join(choices),
                "round": options.round,
            }


def _at(
    tables: Iterable[pa.Table], positions: npt.NDArray[np.int64]
) -> Iterator[tuple[npt.NDArray[np.int64], pa.Table]]:
    """Rows at positions of the run, table by table, each with its places among `positions`."""
    order = np.argsort(positions)
    start = 0
    for table in tables:
        low, high = np.searchsorted(positions[order], [start, start + table.num_rows])
        if low < high:
            here = order[low:high]
            yield here, table.take(positions[here] - start)
        start += table.num_rows


def _csv(rows: list[dict[str, Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    texts = (GUESS, "choices")
    for row in rows:  # the guess is empty where the label map gave none
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
        f"{pictures(len(rows))}: {uncertain:,} uncertain, {len(rows) - uncertain:,} at random",
        highlight=False,
    )
    if inside := sum(not row["image"] for row in rows):
        console.print(
            f"{inside:,} of them lie inside archives, where labelling tools cannot look: "
            "--copy-pictures writes them out",
            highlight=False,
        )
    console.print(escape(files.join(folder, REVIEW_FOLDER)), highlight=False)
