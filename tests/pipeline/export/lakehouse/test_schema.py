"""Columns of a table that grows from run to run."""

from __future__ import annotations

import pyarrow as pa

from pipeline.export.lakehouse.schema import optional


def test_nothing_is_required_and_all_else_stays() -> None:
    names = pa.list_(pa.string())
    required = pa.schema([pa.field("uri", pa.string(), nullable=False), pa.field("top", names)])
    assert optional(required) == pa.schema([("uri", pa.string()), ("top", names)])
