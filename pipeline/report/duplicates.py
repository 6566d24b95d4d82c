"""Groups of pictures that are the same, for the report."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.report.survey import Survey, hash_numbers

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
