"""A Lance dataset, which LanceDB opens as a table: a version for each export."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from pipeline.console.extras import require
from pipeline.export.lakehouse.disk import disk_errors
from pipeline.export.lakehouse.schema import optional
from pipeline.export.source import Counts, Source
from transforms.errors import UserError
from transforms.storage import files

DATASET = "predictions.lance"


def write_lance(source: Source, folder: str) -> Counts:
    """Writes all rows as the next version of `predictions.lance`; older ones stay readable.

    Vectors keep their fixed size, so that an index can be built on them as they are.

    Raises:
        UserError: the extra is missing, or the folder is not on this machine.
    """
    require("lance", extra="lance", command="export --to lance")
    import lance

    if not files.is_local(folder):
        raise UserError(f"{folder}: Lance is written on this machine only. Copy the run here first")
    tables = _tables(source)
    first = next(tables, None)
    if first is None:
        return Counts(0)
    batches = _batches(itertools.chain([first], tables))
    path = os.path.join(folder, DATASET)
    with disk_errors(folder):
        os.makedirs(folder, exist_ok=True)
        written: Any = lance.write_dataset(
            pa.RecordBatchReader.from_batches(optional(source.schema), batches),
            path,
            mode="overwrite" if os.path.exists(path) else "create",
        )
    return Counts(written.count_rows())


def _tables(source: Source) -> Iterator[pa.Table]:
    for table in source.predictions(columns=source.schema.names):
        if table.num_rows:
            yield table.cast(optional(source.schema))


def _batches(tables: Iterator[pa.Table]) -> Iterator[pa.RecordBatch]:
    for table in tables:
        yield from table.to_batches()
