"""Columns of a table that grows from run to run."""

from __future__ import annotations

import pyarrow as pa


def optional(schema: pa.Schema) -> pa.Schema:
    """The same columns, none of them required.

    A network without classes leaves some open, and a table cannot take back what it requires.
    """
    return pa.schema([field.with_nullable(True) for field in schema])
