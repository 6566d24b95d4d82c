"""The ledger of a run: what became of each thing that was listed, for joins with an inventory."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.export.source import Counts, Source
from pipeline.run.folder.finished import FinishedRun
from transforms.inputs.archives.kinds import archive_kind
from transforms.inputs.archives.members import read_members
from transforms.inputs.archives.parquet import VERSION_KEY
from transforms.inputs.listing import list_input
from transforms.inputs.skips import Skipped
from transforms.records import ImageRef
from transforms.rows.kinds import RowKind
from transforms.rows.reader import ROWS_PER_TABLE, read_failures, read_predictions
from transforms.rows.shards import Shard
from transforms.storage import files
from transforms.storage.addresses import name_of, text

FILE = "ledger.parquet"

_COLUMNS = ["uri", "version", "size"]

_SCHEMA = pa.schema(
    [
        pa.field("uri", pa.string(), nullable=False),
        pa.field("version", pa.string()),
        pa.field("size", pa.int64()),
        pa.field("outcome", pa.string(), nullable=False),
        pa.field("reason", pa.string()),
        pa.field("file", pa.string()),
    ]
)


def write_ledger(source: Source, folder: str) -> Counts:
    """Writes `ledger.parquet`: predictions, failures, then what was skipped.

    What was skipped has no row in the run, so the inputs are listed again for its names, and
    archives are read again if members of them were skipped.

    Raises:
        UserError: something was skipped, and the inputs cannot be listed any more.
    """
    run = source.run
    rows = skipped = 0
    schema = _SCHEMA.with_metadata({VERSION_KEY: run.manifest.version})
    with (
        files.create(files.join(folder, FILE)) as file,
        pq.ParquetWriter(file, schema, compression="zstd") as writer,
    ):
        for table in source.selection.of(_outcomes(run)):
            writer.write_table(table)
            rows += table.num_rows
        for table in () if source.selection.is_some else _skipped(run):
            writer.write_table(table)
            skipped += table.num_rows
    missing = 0 if source.selection.is_some else run.manifest.skipped - skipped
    return Counts(rows + skipped, left_out=max(0, missing), later=max(0, -missing))


def _outcomes(run: FinishedRun) -> Iterator[pa.Table]:
    for shard in _of(run, RowKind.PREDICTION):
        for table in read_predictions(files.join(run.folder, shard.name), columns=_COLUMNS):
            nothing = pa.nulls(table.num_rows, pa.string())
            yield _table(table, "prediction", nothing, shard.name)
    for shard in _of(run, RowKind.FAILURE):
        for table in read_failures(files.join(run.folder, shard.name)):
            yield _table(table, "failure", table["reason"], shard.name)


def _of(run: FinishedRun, kind: RowKind) -> list[Shard]:
    return [shard for shard in run.files if shard.kind is kind]


def _table(table: pa.Table, outcome: str, reason: pa.Array, name: str) -> pa.Table:
    return pa.table(
        {
            **{column: table[column] for column in _COLUMNS},
            "outcome": pa.repeat(outcome, table.num_rows),
            "reason": reason,
            "file": pa.repeat(name, table.num_rows),
        },
        schema=_SCHEMA,
    )


def _skipped(run: FinishedRun) -> Iterator[pa.Table]:
    if not run.manifest.skipped:
        return
    rows = (
        {"uri": text(item.path), "outcome": "skipped", "reason": item.kind}
        for item in _skipped_again(run)
    )
    while some := list(itertools.islice(rows, ROWS_PER_TABLE)):
        yield pa.Table.from_pylist(some, schema=_SCHEMA)


def _skipped_again(run: FinishedRun) -> Iterator[Skipped]:
    """What is skipped in folders, then, if the run has skipped more, in archives."""
    options = run.manifest.options
    archives: dict[str, ImageRef] = {}
    found = 0
    for given in options.inputs:
        for item in list_input(name_of(given), image_key=options.image_key):
            if isinstance(item, Skipped):
                found += 1
                yield item
            elif isinstance(item, ImageRef) and archive_kind(item.uri) is not None:
                archives[item.uri] = item
    if found >= run.manifest.skipped:
        return
    for archive in archives.values():
        members = read_members(archive, image_key=options.image_key, max_bytes=options.max_bytes)
        for member in members:
            if isinstance(member, Skipped):
                yield member._replace(path=f"{archive.uri}#{member.path}")
