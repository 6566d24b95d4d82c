from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import apache_beam as beam
import pyarrow as pa
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.testing.util import assert_that, equal_to

import transforms.rows.stage_rows
from pipeline.cli import main
from pipeline.run.folder.manifest import read_manifest
from tests.helpers.rows import failed, prediction
from transforms.rows.kinds import RowKind
from transforms.rows.shards import Piece
from transforms.rows.stage_rows import StageRows, stage_piece

SAME_CLASS = 1001


@pytest.mark.parametrize(
    ("kind", "rows", "outcomes"),
    [
        (RowKind.PREDICTION, [prediction(n) for n in (3, 4, 3 + SAME_CLASS)], {3: 2, 4: 1}),
        (RowKind.FAILURE, [failed(1), failed(2)._replace(reason="empty"), failed(3)], None),
    ],
)
def test_outcomes_of_rows_are_counted(
    tmp_path: Path, kind: RowKind, rows: Sequence[Any], outcomes: dict[Any, int] | None
) -> None:
    expected = outcomes or {"truncated": 2, "empty": 1}
    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        staged = pipeline | beam.Create(rows) | StageRows(str(tmp_path), kind)
        sums = staged.outcomes | beam.CombinePerKey(sum)
        assert_that(sums, equal_to([(kind.outcome(what), n) for what, n in expected.items()]))
        count = staged.pieces | beam.Map(lambda piece: piece.shard.rows) | beam.CombineGlobally(sum)
        assert_that(count, equal_to([3]), label="rows")


def test_a_row_lost_on_its_way_into_a_part_fails_the_run(
    photos: Path,
    stand_in_file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def losing(folder: str, kind: RowKind, tables: Sequence[pa.Table]) -> Piece:
        return stage_piece(folder, kind, [table.slice(1) for table in tables])

    monkeypatch.setattr(transforms.rows.stage_rows, "stage_piece", losing)
    words = ["label", "--quiet", "--input", str(photos), "--model", str(stand_in_file)]
    assert main([*words, "--output", str(tmp_path / "out")]) == 1
    assert "the ledger does not add up" in capsys.readouterr().err
    manifest = read_manifest(str(tmp_path / "out"))
    assert sum(row.count for row in manifest.most_frequent_labels) > manifest.predictions
