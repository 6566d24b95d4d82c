from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

import transforms.rows.merge_pieces
import transforms.rows.shards
import transforms.rows.stage_rows
from tests.helpers.rows import failed, prediction
from tests.helpers.written_rows import ROWS, names_in, write_rows
from transforms.rows.write_rows import WriteFailures, WritePredictions


def test_failures_are_json_lines(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    write_rows(folder, [failed(2), failed(1)], WriteFailures(str(folder)))
    rest = (
        '"stage":"decode","reason":"truncated","message":"cut short","retryable":false,'
        '"size":null,"version":null,"meta":null}'
    )
    assert (folder / "__failures/failures-00000-of-00001.jsonl").read_text(
        "utf-8"
    ).splitlines() == [
        '{"uri":"/photos/000001.jpg",' + rest,
        '{"uri":"/photos/000002.jpg",' + rest,
    ]


def test_no_rows_make_no_file(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    assert write_rows(folder, [], WritePredictions(str(folder))) == []
    assert names_in(folder) == []


def test_row_groups_and_shards_are_full_and_sorted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transforms.rows.stage_rows, "_ROWS_AS_OBJECTS", 5)
    monkeypatch.setattr(transforms.rows.stage_rows, "ROWS_PER_GROUP", 10)
    monkeypatch.setattr(transforms.rows.shards, "ROWS_PER_GROUP", 10)
    monkeypatch.setattr(transforms.rows.merge_pieces, "ROWS_PER_SHARD", 25)
    folder = tmp_path / "out"
    rows = [prediction(number * 17 % 47) for number in range(47)]
    shards = write_rows(folder, rows, WritePredictions(str(folder)))
    assert names_in(folder) == [f"predictions-{at:05d}-of-00003.parquet" for at in range(3)]
    groups, uris = [], []
    for shard in shards:
        file = pq.ParquetFile(folder / shard.name)
        sizes = [file.metadata.row_group(at).num_rows for at in range(file.num_row_groups)]
        column = file.read(columns=["uri"]).column("uri").to_pylist()
        assert column == sorted(column)
        groups.append(sizes)
        uris += column
    assert sorted(groups) in ([[7], [10, 10], [10, 10]], [[10], [10, 7], [10, 10]])
    assert sorted(uris) == sorted(row.uri for row in rows)


def test_shards_of_an_earlier_run_disappear_and_other_files_stay(tmp_path: Path) -> None:
    folder = tmp_path / "out [1]*"
    (folder / "__failures").mkdir(parents=True)
    stay = ["predictions.parquet", "__failures/failures-00000-of-00001.jsonl", "notes.txt"]
    gone = [
        "predictions-00000-of-00002.parquet",
        "predictions-00001-of-00002.parquet",
        "predictions-00000-of-00001.tfrecord.gz",
        "_SUCCESS",
        "_MANIFEST.json",
    ]
    for name in [*stay, *gone]:
        (folder / name).write_bytes(b"old")
    write_rows(folder, ROWS, WritePredictions(str(folder)))
    assert names_in(folder) == sorted([*stay, "predictions-00000-of-00001.parquet"])
