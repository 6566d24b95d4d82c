"""Which pictures of a run have the flags that `--flag` asks for."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.labels.options import ANY_FLAG, NO_FLAG
from transforms.flags import Flags


def flagged(table: pa.Table, flags: Sequence[str]) -> pa.ChunkedArray:
    """Whether a picture has one of the flags, a bool for each row.

    Args:
        table: with all columns of `Flags`.
        flags: at least one; `ANY_FLAG` and `NO_FLAG` among them.
    """
    has = {name: pc.fill_null(table[name], False) for name in Flags._fields}
    has[ANY_FLAG] = functools.reduce(pc.or_, has.values())
    has[NO_FLAG] = pc.invert(has[ANY_FLAG])
    return functools.reduce(pc.or_, [has[flag] for flag in flags])
