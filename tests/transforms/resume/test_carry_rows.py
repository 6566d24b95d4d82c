"""Rows that are taken over into another form."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.helpers.contents import contents
from tests.helpers.forged import forge
from tests.helpers.pictures import make_pictures
from tests.helpers.resumed_runs import Run
from transforms.records import Prediction
from transforms.rows.schema import ROW_SCHEMA_VERSION


@pytest.mark.parametrize("format", ["jsonl", "tfrecord", "tfrecord.gz"])
def test_rows_survive_a_change_of_format_and_back(run: Run, format: str) -> None:
    before = run.rows()
    for number in range(10):
        run.ruin_unseen(f"{number:06d}.jpg")
    for other in (format, "parquet"):
        assert run.label("--resume", "--format", other) == 0
        assert run.rows() == before
        assert len(list(run.out.glob("predictions-*"))) == 1


def _of_version(version: int, *, without: Sequence[str] = ()) -> Callable[[pa.Table], pa.Table]:
    """What makes rows those of another schema version."""

    def change(table: pa.Table) -> pa.Table:
        metadata = {**table.schema.metadata, b"quantlabel.row_schema_version": b"%d" % version}
        return table.drop_columns(list(without)).replace_schema_metadata(metadata)

    return change


@pytest.mark.parametrize("more", [0, 1])
def test_rows_of_an_earlier_schema_version_stay_and_get_the_new_columns(
    run: Run, more: int
) -> None:
    before = run.rows()
    forge(run.out, _of_version(0, without=["mapped_label", "mapped_score"]))
    assert run.rows() == before  # read with nulls
    for number in range(10):
        run.ruin_unseen(f"{number:06d}.jpg")
    for number in range(more):
        make_pictures(run.photos / "more", count=1, seed=5)
        (run.photos / "more/000000.jpg").rename(run.photos / f"new{number}.jpg")
    assert run.label("--resume") == 0
    after = run.rows()
    assert {name: after[name] for name in before} == before
    assert (len(after), run.manifest["reused"]) == (10 + more, 12)
    schema = pq.read_schema(run.shard())
    assert schema.names == list(Prediction._fields)
    assert schema.metadata[b"quantlabel.row_schema_version"] == b"%d" % ROW_SCHEMA_VERSION


def test_rows_of_a_later_schema_version_are_refused(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    forge(run.out, _of_version(ROW_SCHEMA_VERSION + 1))
    before = contents(run.out)
    assert run.label("--resume") == 1
    error = capsys.readouterr().err
    known = ROW_SCHEMA_VERSION
    assert f"schema version {known + 1}; this quantlabel knows version {known} and no" in error
    assert "Traceback" not in error
    assert before.items() <= contents(run.out).items()
