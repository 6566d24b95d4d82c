from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.run_folder import FinishRun, check_writable, read_manifest
from transforms.errors import UserError
from transforms.write import Shard

PREDICTIONS = [
    Shard("predictions-00001-of-00002.parquet", 3, 10, "b" * 64),
    Shard("predictions-00000-of-00002.parquet", 4, 10, "a" * 64),
]
FAILURES = [Shard("failures-00000-of-00001.jsonl", 2, 10, "c" * 64)]
BALANCED: dict[str, Any] = {
    "tally": {"entries": 10, "duplicates": 1, "inputs": 9, "skipped": 5},
    "reasons": {"truncated": 2},
    "labels": {(1, "tench"): 4, (9, "ostrich"): 3},
}


def _finish(folder: Path, *, limit: float = 1.0, **changed: Any) -> dict[str, Any]:
    sides = {"predictions": PREDICTIONS, "failures": FAILURES, **BALANCED, **changed}
    finish = FinishRun(str(folder), {"version": "1.2.3"}, limit)
    (manifest,) = finish.process(None, **sides)
    return manifest


def test_a_balanced_ledger_ends_in_success(tmp_path: Path) -> None:
    manifest = _finish(tmp_path)
    assert read_manifest(str(tmp_path)) == json.loads(json.dumps(manifest))
    assert (tmp_path / "_SUCCESS").read_bytes() == b""
    assert manifest.pop("finished")[-6:] == "+00:00"
    assert manifest == {
        "version": "1.2.3",
        "status": "succeeded",
        "inputs": 9,
        "predictions": 7,
        "failures": 2,
        "failures_by_reason": {"truncated": 2},
        "duplicates": 1,
        "skipped": 5,
        "most_frequent_labels": [
            {"class_id": 1, "label": "tench", "count": 4},
            {"class_id": 9, "label": "ostrich", "count": 3},
        ],
        "files": [
            {"name": shard.name, "rows": shard.rows, "size": 10, "sha256": shard.sha256}
            for shard in [PREDICTIONS[1], PREDICTIONS[0], *FAILURES]
        ],
    }


@pytest.mark.parametrize(
    "changed",
    [
        {"predictions": PREDICTIONS[:1]},
        {"predictions": [*PREDICTIONS, PREDICTIONS[0]]},
        {"failures": []},
        {"tally": {"entries": 11, "duplicates": 1, "inputs": 9}},
        {"tally": {"entries": 11, "duplicates": 1, "inputs": 10}},
        {"labels": {(1, "tench"): 8}},
    ],
)
def test_a_row_too_many_or_too_few_fails_the_run(tmp_path: Path, changed: Any) -> None:
    with pytest.raises(UserError, match="the ledger does not add up"):
        _finish(tmp_path, **changed)
    assert read_manifest(str(tmp_path))["status"] == "failed"
    assert not (tmp_path / "_SUCCESS").exists()


def test_the_failure_rate_may_reach_its_limit_but_not_pass_it(tmp_path: Path) -> None:
    _finish(tmp_path, limit=2 / 9)
    with pytest.raises(UserError, match=r"2 of 9 pictures failed, a rate of 0\.2222"):
        _finish(tmp_path, limit=0.2)


def test_only_a_finished_run_is_protected(tmp_path: Path) -> None:
    check_writable(str(tmp_path / "new"), overwrite=False)
    (tmp_path / "_MANIFEST.json").write_text("{}", "utf-8")
    check_writable(str(tmp_path), overwrite=False)
    (tmp_path / "_SUCCESS").write_bytes(b"")
    check_writable(str(tmp_path), overwrite=True)
    with pytest.raises(UserError, match="add --overwrite"):
        check_writable(str(tmp_path), overwrite=False)
