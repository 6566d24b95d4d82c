"""Shards: row groups of even size."""

from __future__ import annotations

import pyarrow as pa
import pytest

from tests.helpers.rows import stream_of
from transforms.rows import shards
from transforms.rows.shards import row_groups


def test_row_groups_are_cut_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "ROWS_PER_GROUP", 3)
    tables = list(row_groups(stream_of("abcdefghijk", rows=5)))
    assert ["".join(table.column("uri").to_pylist()) for table in tables] == [
        "abc",
        "def",
        "ghi",
        "jk",
    ]


def test_the_same_rows_make_the_same_row_groups_however_they_come() -> None:
    uris = [f"{number:06d}" for number in range(10_300)]
    for rows in (7, 10_300):
        tables = list(row_groups(stream_of(uris, rows=rows)))
        chunks = [[len(chunk) for chunk in table.column("uri").chunks] for table in tables]
        assert chunks == [[250] * 40, [250, 50]]
        assert pa.concat_tables(tables).column("uri").to_pylist() == uris
