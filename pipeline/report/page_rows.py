"""The rows that a page holds: all of a run, or of a large one as many as a browser takes."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

MOST_ROWS = 100_000
"""With neighbours and map they take some 10 MB of the page."""


def page_rows(
    tables: Iterable[pa.Table], *, count: int, also: Collection[str], most: int = MOST_ROWS
) -> pa.Table:
    """Reads the rows of a page.

    Args:
        tables: all predictions, at least one, with `uri`.
        count: how many they are.
        also: uris of rows that the page needs whatever else it holds.
        most: rows, apart from those; of more so many are drawn at random, the same ones each time.
    """
    drawn = np.ones(count, np.bool_)
    if count > most:
        drawn[:] = False
        drawn[np.random.default_rng(0).choice(count, most, replace=False)] = True
    wanted = pa.array(sorted(also), pa.string())
    kept, start = [], 0
    for table in tables:
        here = drawn[start : start + table.num_rows]
        start += table.num_rows
        listed = pc.is_in(table["uri"], value_set=wanted).to_numpy()
        kept.append(table.filter(pa.array(here | listed)))
    return pa.concat_tables(kept).combine_chunks()
