from __future__ import annotations

import pytest

from tests.helpers.rows import failed, prediction
from transforms.errors import UserError
from transforms.rows.formats import FORMATS
from transforms.rows.kinds import RowKind, kind_of
from transforms.rows.shards import Shard


@pytest.mark.parametrize(
    ("kind", "name", "format", "counted"),
    [
        (RowKind.PREDICTION, "predictions-00002-of-00012.parquet", "parquet", "class_id"),
        (RowKind.FAILURE, "__failures/failures-00002-of-00012.jsonl", "jsonl", "reason"),
    ],
)
def test_a_kind_knows_its_files(kind: RowKind, name: str, format: str, counted: str) -> None:
    assert kind.default_format == format
    assert kind.outcome_column == counted
    assert kind.shard_name(2, of=12, format=format) == name
    assert kind_of(name) is kind
    assert Shard(name, 1, 2, "").kind is kind


def test_outcomes_are_what_the_ledger_counts() -> None:
    assert RowKind.PREDICTION.outcome(7) == ("predictions", 7)
    assert RowKind.FAILURE.outcome("truncated") == ("failures", "truncated")


@pytest.mark.parametrize("kind", RowKind)
def test_every_kind_has_a_table_and_a_format_to_write(kind: RowKind) -> None:
    table = kind.table([prediction(1) if kind is RowKind.PREDICTION else failed(1)])
    assert table.num_rows == 1
    assert {"uri", kind.outcome_column} <= set(table.column_names)
    assert kind.default_format in FORMATS


@pytest.mark.parametrize(
    "name", ["prediction-0.parquet", "predictions.parquet", "x-failures-0", ""]
)
def test_a_file_of_no_kind_is_named(name: str) -> None:
    with pytest.raises(UserError, match=r"expected predictions-... or failures-..."):
        kind_of(name)
