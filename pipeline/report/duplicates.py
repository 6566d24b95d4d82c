"""Groups of pictures that are the same, for the report."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.report.survey import Survey, hash_numbers
from pipeline.run.folder.finished import FinishedRun
from transforms.rows.names import DUPLICATES_FILE, GROUPS_FILE
from transforms.storage import files

GROUPS = 24
PER_GROUP = 6


@dataclasses.dataclass
class Group:
    """Pictures that are the same.

    Attributes:
        count: how many they are.
        rows: the first of them, `PER_GROUP` at most.
    """

    count: int
    rows: list[dict[str, Any]]


@dataclasses.dataclass
class Duplicates:
    """What is there more than once.

    Attributes:
        kind: what makes two pictures the same, for the reader.
        groups: how many groups there are.
        pictures: in all of them together.
        shown: the largest groups, `GROUPS` at most, largest first.
    """

    kind: str
    groups: int
    pictures: int
    shown: list[Group]


def identical(found: Survey, tables: Iterable[pa.Table]) -> Duplicates:
    """The files that are there more than once, by their sha256.

    Args:
        found: of the same run.
        tables: the run's predictions with `survey.COLUMNS`; not read if nothing repeats.
    """
    wanted = found.repeated[:GROUPS]
    groups = {
        int(value): Group(int(count), [])
        for value, count in zip(wanted, found.repeats[:GROUPS], strict=True)
    }
    for table in tables if groups else ():
        hashes = hash_numbers(table["sha256"])
        for position in np.flatnonzero(np.isin(hashes, wanted)):
            rows = groups[int(hashes[position])].rows
            if len(rows) < PER_GROUP:
                rows += table.slice(position, 1).to_pylist()
    return Duplicates(
        kind="byte-for-byte the same file (sha256)",
        groups=len(found.repeated),
        pictures=int(found.repeats.sum()),
        shown=list(groups.values()),
    )


def near_identical(run: FinishedRun, tables: Callable[[], Iterable[pa.Table]]) -> Duplicates | None:
    """The groups that `quantlabel duplicates` has found, or None if it has not seen this very run.

    Args:
        run: the run.
        tables: reads the run's predictions with `survey.COLUMNS`.
    """
    path = run.find(DUPLICATES_FILE)
    if not files.exists(path):
        return None
    summary = orjson.loads(files.read_bytes(path))
    if summary["run"]["started"] != run.manifest.started:
        return None  # of a run that was here before
    with files.open_read(run.find(GROUPS_FILE)) as file:
        table = pq.read_table(file, columns=["group", "uri"])
    return Duplicates(
        kind=f"the same or nearly the same (cosine of {summary['threshold']:g} or more)",
        groups=summary["groups"],
        pictures=summary["in_groups"],
        shown=_with_rows(_largest(table), tables),
    )


def _largest(table: pa.Table) -> list[tuple[int, list[str]]]:
    """Size and first uris of the largest groups, of a table that is sorted by group."""
    sizes = np.bincount(table["group"].to_numpy())
    starts = np.cumsum(sizes) - sizes
    largest = np.argsort(-sizes, kind="stable")[:GROUPS]
    return [
        (int(sizes[at]), table["uri"].slice(starts[at], min(sizes[at], PER_GROUP)).to_pylist())
        for at in largest
    ]


def _with_rows(
    groups: list[tuple[int, list[str]]], tables: Callable[[], Iterable[pa.Table]]
) -> list[Group]:
    wanted = pa.array([uri for _, uris in groups for uri in uris], pa.string())
    rows: dict[str, dict[str, Any]] = {}
    for table in tables() if groups else ():
        found = table.filter(pc.is_in(table["uri"], value_set=wanted))
        rows |= {row["uri"]: row for row in found.to_pylist()}
    return [Group(size, [rows[uri] for uri in uris]) for size, uris in groups]
