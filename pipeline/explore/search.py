"""`quantlabel search`: the pictures of a finished run that look most like a given one."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipeline.explore.options import SearchOptions
from pipeline.explore.vectors import unit_vectors
from pipeline.labels.options import LabelKind
from pipeline.run.folder.finished import FinishedRun, open_run
from pipeline.run.folder.own_labels import own_labels
from pipeline.run.relabel import Relabeller

COLUMNS = ["uri", "label", "score", "embedding"]


def search(options: SearchOptions) -> list[dict[str, Any]]:
    """Compares one picture with every picture of a run, exactly, some thousand rows at a time.

    Args:
        options: where, and for what.

    Returns:
        The most similar first, equal ones by uri: `similarity` (cosine, -1 to 1), `uri`, `label`
        (None below the threshold of a label map, or without classes) and `score` of each.

    Raises:
        UserError: no run has finished there, its model cannot be had, or the picture is none.
    """
    run = open_run(options.folder, with_vectors=True)
    wanted = Relabeller(run.manifest, model=options.model).prediction(options.like).embedding
    return most_similar(_rows(run, options.labels), wanted, k=options.k)


def _rows(run: FinishedRun, kind: LabelKind | None) -> Iterator[pa.Table]:
    """With `COLUMNS`, whatever the labels are of."""
    own = own_labels(run, kind)
    if own is None:
        return run.predictions(columns=COLUMNS)
    tables = itertools.chain.from_iterable(own.shards(columns=("uri", *own.columns, "embedding")))
    return (table.rename_columns(COLUMNS) for table in tables)


def most_similar(
    tables: Iterable[pa.Table], wanted: npt.NDArray[np.float32], *, k: int
) -> list[dict[str, Any]]:
    """The k rows whose vectors have the largest cosine to another one.

    Args:
        tables: predictions with `COLUMNS`.
        wanted: float32[feature size]; one of zeros is like nothing.
        k: rows at most.
    """
    length = float(np.linalg.norm(wanted))
    direction = wanted / np.float32(length) if length else wanted
    best: list[dict[str, Any]] = []
    for table in tables:
        # No BLAS: its sums depend on how many rows there are, and so would the order of ties.
        similarities = np.einsum("nd,d->n", unit_vectors(table), direction)
        # All that tie with the last, so that the uri decides among them and not the order of files.
        nearest = np.argsort(-similarities, kind="stable")[: k + _ties(similarities, k)]
        rows = table.drop_columns(["embedding"]).take(nearest).to_pylist()
        found = [
            {"similarity": min(float(similarities[at]), 1.0), **row}
            for at, row in zip(nearest, rows, strict=True)
        ]
        best = heapq.nsmallest(k, best + found, key=lambda row: (-row["similarity"], row["uri"]))
    return best


def _ties(similarities: npt.NDArray[np.float32], k: int) -> int:
    """Rows beyond the k-th that are exactly as similar as it is."""
    if len(similarities) <= k:
        return 0
    last = np.partition(similarities, -k)[-k]
    return int((similarities >= last).sum()) - k


def print_found(found: list[dict[str, Any]], *, console: Console) -> None:
    """Prints the results as a table.

    Args:
        found: what `search` returned.
        console: to print on.
    """
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("similarity", justify="right")
    table.add_column("label")
    table.add_column("score", justify="right")
    table.add_column("picture", overflow="fold")
    for row in found:
        table.add_row(
            f"{row['similarity']:.3f}",
            escape(row["label"] or "-"),
            "-" if row["score"] is None else f"{row['score']:.2f}",
            escape(row["uri"]),
        )
    console.print(table)
