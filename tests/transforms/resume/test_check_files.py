"""Files whose rows are not to be trusted."""

from __future__ import annotations

import pytest

from tests.helpers.resumed_runs import Run


@pytest.mark.parametrize("damage", ["flip", "cut", "delete"])
def test_a_damaged_shard_is_not_used(run: Run, damage: str) -> None:
    before = run.rows()
    content = bytearray(run.shard().read_bytes())
    content[len(content) // 2] ^= 1
    if damage == "delete":
        run.shard().unlink()
    else:
        run.shard().write_bytes(content if damage == "flip" else content[:-5])
    path = str(run.out / "predictions-00000-of-00001.parquet")
    assert run.label("--resume") == 0
    assert run.rows() == before
    assert (run.manifest["reused"], run.manifest["discarded"]) == (2, [path])
