"""An Apache Iceberg table: the run's own Parquet files, and a snapshot for each export."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pipeline.console.extras import require
from pipeline.export.lakehouse.disk import disk_errors
from pipeline.export.lakehouse.schema import optional
from pipeline.export.source import Counts, Source
from transforms.errors import UserError
from transforms.rows.kinds import RowKind
from transforms.rows.shards import row_groups, write_piece
from transforms.storage import files

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table

CATALOG = "quantlabel"
"""Of this name in pyiceberg's configuration; else an SQLite file in the folder of the export."""

TABLE = "quantlabel.predictions"
"""Unless the property `table` of the catalogue names another."""

_OF_RUN = "quantlabel.run"
"""The property of a table that says which folder its rows come from."""


def write_iceberg(source: Source, folder: str) -> Counts:
    """Brings a table up to date in one commit: it shows all rows of the run, or those of before.

    The files of the run are linked or copied to the table's own place, since a resumed run replaces
    them. There they are called by their digest: what the table has already stays, and where nothing
    is new there is no new snapshot.

    Raises:
        UserError: the extra is missing, the catalogue refuses, or the table is another run's.
    """
    require("pyiceberg", "sqlalchemy", extra="iceberg", command="export --to iceberg")
    from pyiceberg.exceptions import CommitFailedException, RESTError
    from sqlalchemy.exc import SQLAlchemyError

    try:
        with disk_errors(folder):
            catalog, name = _catalog(folder)
            table = _table(catalog, name, source)
            return Counts(_update(table, source))
    except (CommitFailedException, RESTError, SQLAlchemyError) as error:
        line = str(error).strip().partition("\n")[0]
        raise UserError(f"iceberg: {line}. The table is as it was; export again") from error


def _catalog(folder: str) -> tuple[Catalog, str]:
    """The user's catalogue if there is one, and the name of the table."""
    from pyiceberg.catalog import load_catalog
    from pyiceberg.utils.config import Config

    theirs = Config().get_catalog_config(CATALOG)
    if theirs:
        settings = {key: str(value) for key, value in theirs.items()}
        name = settings.pop("table", TABLE)
        try:
            return load_catalog(CATALOG, **settings), name
        except ValueError as error:
            raise UserError(f"iceberg: the catalogue {CATALOG} of pyiceberg: {error}") from error
    if not files.is_local(folder):
        raise UserError(
            f"{folder}: a catalogue in a file works on this machine only. Expected a catalogue "
            f"{CATALOG} in .pyiceberg.yaml, or PYICEBERG_CATALOG__{CATALOG.upper()}__URI"
        )
    os.makedirs(folder, exist_ok=True)
    uri = f"sqlite:///{os.path.join(folder, 'catalog.db')}"
    return load_catalog(CATALOG, type="sql", uri=uri, warehouse=folder), TABLE


def _table(catalog: Catalog, name: str, source: Source) -> Table:
    namespace = name.rpartition(".")[0]
    catalog.create_namespace_if_not_exists(namespace)
    run = source.run.folder
    table = catalog.create_table_if_not_exists(
        name,
        schema=optional(source.schema),
        properties={_OF_RUN: run, "write.parquet.compression-codec": "zstd"},
    )
    there = table.properties.get(_OF_RUN)
    if there != run:
        raise UserError(
            f"iceberg: the table {name} holds the rows of {there}. Name another one in the "
            f"configuration of pyiceberg: PYICEBERG_CATALOG__{CATALOG.upper()}__TABLE"
        )
    return table


def _update(table: Table, source: Source) -> int:
    """Makes one new snapshot, or none; returns the rows that the table shows."""
    place = files.join(table.location().removeprefix("file://"), "data")
    there = {task.file.file_path: task.file for task in table.scan().plan_files()}
    wanted = _shards(source, place) if _is_whole(source) else _written(source, place)
    for target, path in wanted.items():
        if target not in there and path != target:
            _copy(path, target)
    new = [target for target in wanted if target not in there]
    gone = [file for path, file in there.items() if path not in wanted]
    if wanted and (new or gone):
        _commit(table, source, new, gone)
    return sum(task.file.record_count for task in table.scan().plan_files()) if wanted else 0


def _commit(table: Table, source: Source, new: list[str], gone: list[DataFile]) -> None:
    from pyiceberg.io.pyarrow import parquet_files_to_data_files

    with table.transaction() as transaction:
        with transaction.update_schema() as update:
            update.union_by_name(optional(source.schema))
        # Our files say nothing of the ids that Iceberg gives to columns.
        mapping = transaction.table_metadata.schema().name_mapping.model_dump_json()
        transaction.set_properties({"schema.name-mapping.default": mapping})
        with transaction.update_snapshot().overwrite() as snapshot:
            for file in gone:
                snapshot.delete_data_file(file)
            for added in parquet_files_to_data_files(
                io=table.io, table_metadata=transaction.table_metadata, file_paths=iter(new)
            ):
                snapshot.append_data_file(added)


def _is_whole(source: Source) -> bool:
    """Whether the files of the run are what is exported."""
    names = (shard.name for shard in source.run.files if shard.kind is RowKind.PREDICTION)
    is_parquet = all(name.endswith(".parquet") for name in names)
    return is_parquet and not source.selection.is_some and not source.added_columns


def _shards(source: Source, place: str) -> Mapping[str, str]:
    """Where the files of the run belong, and where they are."""
    return {
        files.join(place, f"{shard.sha256}.parquet"): files.join(source.run.folder, shard.name)
        for shard in source.run.files
        if shard.kind is RowKind.PREDICTION
    }


def _written(source: Source, place: str) -> Mapping[str, str]:
    """Files of rows that are in none of the run's, at their places."""
    wanted = {}
    for tables in source.shards(columns=source.schema.names):
        name = f"new-{uuid.uuid4().hex}.parquet"
        piece = write_piece(place, name, row_groups(each for each in tables if each.num_rows))
        target = files.join(place, f"{piece.shard.sha256}.parquet")
        if piece.shard.rows:
            files.move([(piece.path, target)])
            wanted[target] = target
        else:
            files.delete([piece.path])
    return wanted


def _copy(path: str, target: str) -> None:
    if files.is_local(path) and files.is_local(target):
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with contextlib.suppress(FileExistsError):  # of an export that did not come to its end
            try:
                os.link(path, target)
            except FileExistsError:
                raise
            except OSError:  # another file system, or one without links
                _copy_bytes(path, target)
    else:
        _copy_bytes(path, target)


def _copy_bytes(path: str, target: str) -> None:
    with files.open_read(path) as source, files.create(target) as copy:
        while chunk := source.read(1 << 20):
            copy.write(chunk)
