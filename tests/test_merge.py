from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest

from transforms import merge, shards
from transforms.merge import _Plan, groups, merged
from transforms.shards import Piece, Shard, row_groups


def _stream(uris: str, *, rows: int) -> Iterator[pa.Table]:
    table = pa.table({"uri": list(uris), "row": list(range(len(uris)))})
    return (table.slice(at, rows) for at in range(0, len(uris), rows))


@pytest.mark.parametrize("rows", [1, 2, 100])
def test_sorted_streams_become_one(rows: int) -> None:
    tables = list(merged([_stream(uris, rows=rows) for uris in ("adgxz", "", "bcdq", "é")]))
    assert "".join(uri for table in tables for uri in table.column("uri").to_pylist()) == (
        "abcddgqxzé"
    )
    rows_of_streams = pa.concat_tables(tables).column("row").to_pylist()
    assert rows_of_streams == [0, 0, 1, 1, 2, 2, 3, 3, 4, 0]


def test_row_groups_are_cut_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "ROWS_PER_GROUP", 3)
    tables = list(row_groups(_stream("abcdefghijk", rows=5)))
    assert ["".join(table.column("uri").to_pylist()) for table in tables] == [
        "abc",
        "def",
        "ghi",
        "jk",
    ]


def _piece(digest: str, rows: int, *, name: str = "", published: bool = False) -> Piece:
    return Piece("/out", Shard(name or f"{digest}.parquet", rows, 1, digest), published)


def test_groups_are_full_and_do_not_depend_on_the_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merge, "ROWS_PER_SHARD", 25)
    monkeypatch.setattr(merge, "FILES_PER_SHARD", 3)
    pieces = [_piece(digest, 10) for digest in "abc"] + [_piece(digest, 1) for digest in "defg"]
    for order in (pieces, pieces[::-1]):
        assert ["".join(piece.shard.sha256 for piece in group) for group in groups(order)] == [
            "ab",
            "cde",
            "fg",
        ]


@pytest.mark.parametrize(
    ("pieces", "kept"),
    [
        ([("a", 50_000, True), ("b", 49_999, True)], "ab"),  # nothing to merge them with
        ([("a", 50_000, True), ("b", 49_999, True), ("c", 1, False)], "a"),
        ([("c", 100_000, False)], ""),
    ],
)
def test_shards_of_an_earlier_run_stay_unless_they_are_small(
    pieces: list[tuple[str, int, bool]], kept: str
) -> None:
    made = [_piece(digest, rows, published=published) for digest, rows, published in pieces]
    results: list[Any] = list(_Plan("parquet").process(None, made))
    stay = [result.value.shard.sha256 for result in results if not isinstance(result, list)]
    assert "".join(stay) == kept
    merging = [piece for group in results if isinstance(group, list) for piece in group]
    assert len(merging) + len(stay) == len(pieces)
    other = list(_Plan("jsonl").process(None, made))
    assert [isinstance(group, list) for group in other] == [True] * len(other)
