"""The kinds of rows, and what differs between them: names of files, schema, format, outcome."""

from __future__ import annotations

import enum
import posixpath
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from transforms.errors import UserError
from transforms.rows.names import FAILURES_FOLDER
from transforms.rows.schema import (
    FAILURE_COLUMNS,
    PREDICTION_COLUMNS,
    Column,
    failure_table,
    prediction_table,
)

NO_CLASS = -1
"""In place of the class id where the ledger counts rows of a network without classes."""


class RowKind(enum.Enum):
    """What a row says of its picture: what the network sees in it, or why there is no answer.

    The value is the word for such rows in the names of files, in the manifest and in messages.
    """

    PREDICTION = "predictions"
    FAILURE = "failures"

    @property
    def default_format(self) -> str:
        """The format of its files, unless a user chooses another."""
        return "parquet" if self is RowKind.PREDICTION else "jsonl"

    @property
    def outcome_column(self) -> str:
        """The column that the ledger counts."""
        return "class_id" if self is RowKind.PREDICTION else "reason"

    @property
    def columns(self) -> tuple[Column, ...]:
        """Its columns, in the order of files."""
        return PREDICTION_COLUMNS if self is RowKind.PREDICTION else FAILURE_COLUMNS

    def table(self, rows: Sequence[Any]) -> pa.Table:
        """Records, at least one, as a table with the schema of the kind."""
        return prediction_table(rows) if self is RowKind.PREDICTION else failure_table(rows)

    def outcome(self, what: int | str | None) -> Outcome:
        """What the ledger counts, from the value of `outcome_column`."""
        return self.value, NO_CLASS if what is None else what

    def file_name(self, name: str, *, format: str) -> str:
        """The name of a file of such rows, `KIND-NAME.FORMAT`."""
        return f"{self.value}-{name}.{format}"

    @property
    def folder(self) -> str:
        """Where its shards are in the folder of a run; empty for that folder itself."""
        return "" if self is RowKind.PREDICTION else FAILURES_FOLDER

    def shard_name(self, at: int, *, of: int, format: str) -> str:
        """The name of a shard, counted from 0, in the folder of a run.

        It is `KIND-SSSSS-of-NNNNN.FORMAT`, of failures in a folder of their own.
        """
        return posixpath.join(self.folder, self.file_name(f"{at:05d}-of-{of:05d}", format=format))


Outcome = tuple[str, "int | str"]
"""What became of a picture: the kind's value and the class id or reason. A key in Beam's sums, for
which Beam has a coder of its own as long as it holds nothing but texts and numbers."""

ANY_KIND = "|".join(kind.value for kind in RowKind)
"""The first words of the names of files with rows, as alternatives of a regular expression."""


def kind_of(name: str) -> RowKind:
    """The kind of the rows in a file.

    Args:
        name: of the file, as in a manifest.

    Raises:
        UserError: a file of ours has no such name.
    """
    for kind in RowKind:
        if posixpath.basename(name).startswith(f"{kind.value}-"):
            return kind
    expected = " or ".join(f"{kind.value}-..." for kind in RowKind)
    raise UserError(f"{name}: not the name of a file with rows, expected {expected}")
