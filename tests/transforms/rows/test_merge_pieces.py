from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from tests.helpers.rows import prediction, stream_of
from transforms.rows import merge_pieces
from transforms.rows.formats import ArrowShard
from transforms.rows.kinds import RowKind
from transforms.rows.merge_pieces import _Plan, groups, merged
from transforms.rows.schema import prediction_table
from transforms.rows.shards import Piece, Shard, row_groups, write_piece
from transforms.rows.stage_rows import stage_piece


@pytest.mark.parametrize("rows", [1, 2, 100])
def test_sorted_streams_become_one(rows: int) -> None:
    tables = list(merged([stream_of(uris, rows=rows) for uris in ("adgxz", "", "bcdq", "é")]))
    assert "".join(uri for table in tables for uri in table.column("uri").to_pylist()) == (
        "abcddgqxzé"
    )
    rows_of_streams = pa.concat_tables(tables).column("row").to_pylist()
    assert rows_of_streams == [0, 0, 1, 1, 2, 2, 3, 3, 4, 0]


def test_one_row_group_at_a_time_is_in_memory(tmp_path: Path) -> None:
    group = 10_000 * 128 * 4
    codes = np.random.default_rng(0).integers(0, 256, 1_000)
    before = pa.total_allocated_bytes()
    held = []

    def source() -> Iterator[pa.Table]:
        for _ in range(160):
            held.append(pa.total_allocated_bytes() - before)
            values = pa.array(np.resize(codes, 250 * 128).tolist(), pa.float32())
            yield pa.table({"row": pa.FixedSizeListArray.from_arrays(values, 128)})

    write_piece(str(tmp_path), "rows.parquet", row_groups(source()))
    assert 0.9 * group < max(held) < 1.5 * group


def test_rows_of_a_part_are_not_copied_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = np.random.default_rng(0).permutation(4_000).tolist()
    tables = [
        prediction_table([prediction(number) for number in numbers[at::4]]).sort_by("uri")
        for at in range(4)
    ]
    before = pa.total_allocated_bytes()
    held, uris = [], []

    def write(_: ArrowShard, table: pa.Table) -> None:
        held.append(pa.total_allocated_bytes() - before)
        uris.extend(table.column("uri").to_pylist())

    monkeypatch.setattr(ArrowShard, "write", write)
    stage_piece(str(tmp_path), RowKind.PREDICTION, tables)
    assert uris == [prediction(number).uri for number in range(4_000)]
    assert max(held) < sum(table.nbytes for table in tables) / 2


_MERGE = """
import os, sys
from tests.helpers.rows import prediction
from transforms.rows.formats import ParquetShard
from transforms.rows.kinds import RowKind
from transforms.rows.merge_pieces import _Merge
from transforms.rows.stage_rows import stage_piece
from transforms.rows.schema import prediction_table

def held():
    return len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))

def write(shard, table):
    print(*held())
    written(shard, table)

written, ParquetShard.write = ParquetShard.write, write
print(*held())
rows = [[prediction(30 * row + part) for row in range(500)] for part in range(30)]
parts = [stage_piece(sys.argv[1], RowKind.PREDICTION, [prediction_table(some)]) for some in rows]
print(*held())
list(_Merge(sys.argv[1], RowKind.PREDICTION, "parquet").process((0, [parts]), {}))
print(*held())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="counted in /proc")
def test_a_merge_opens_one_file_and_starts_no_threads(tmp_path: Path) -> None:
    words = [sys.executable, "-c", _MERGE, str(tmp_path)]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    lines = [line.split() for line in done.stdout.splitlines()]
    files, threads = ([int(line[at]) for line in lines] for at in (0, 1))
    assert [count - files[0] for count in files] == [0, 0, 1, 1, 0]  # two row groups
    assert len(set(threads)) == 1


def _piece(digest: str, rows: int, *, name: str = "", published: bool = False) -> Piece:
    return Piece("/out", Shard(name or f"{digest}.parquet", rows, 1, digest), published)


def test_groups_are_full_and_do_not_depend_on_the_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merge_pieces, "ROWS_PER_SHARD", 25)
    monkeypatch.setattr(merge_pieces, "FILES_PER_SHARD", 3)
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
    results: list[Any] = list(_Plan("parquet").process(b"", made))
    stay = [result.value.shard.sha256 for result in results if not isinstance(result, tuple)]
    assert "".join(stay) == kept
    merging = [piece for result in results if isinstance(result, tuple) for piece in result[1]]
    assert len(merging) + len(stay) == len(pieces)
    other = list(_Plan("jsonl").process(b"", made))
    assert [isinstance(result, tuple) for result in other] == [True] * len(other)
