from __future__ import annotations

import dataclasses
import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from pipeline.run.folder.ledger import FinishRun, check_writable
from pipeline.run.folder.manifest import Identity, read_manifest
from tests.helpers.contents import contents
from tests.helpers.finished_runs import made_up_manifest
from transforms.errors import UserError
from transforms.inputs.skips import Count
from transforms.rows.kinds import RowKind
from transforms.rows.shards import Piece, Shard

ROWS = {
    "merged-predictions-x.parquet": 3,
    "merged-predictions-y.parquet": 4,
    "merged-failures-x.jsonl": 2,
}
BALANCED: dict[str, Any] = {
    "tally": {"entries": 10, "duplicates": 1, "inputs": 9, "skipped": 5, "reused": 3},
    "outcomes": {
        RowKind.FAILURE.outcome("truncated"): 2,
        RowKind.PREDICTION.outcome(1): 4,
        RowKind.PREDICTION.outcome(9): 3,
    },
}


def _pieces(folder: Path, kind: str) -> list[Piece]:
    """Files that a run has written and that have no names yet."""
    attempt = folder / "_unfinished-x"
    attempt.mkdir(exist_ok=True)
    (attempt / "_RUN.json").write_text("{}", "utf-8")
    pieces = []
    for name, rows in ROWS.items():
        if kind in name:
            (attempt / name).write_bytes(name.encode())
            digest = hashlib.sha256(name.encode()).hexdigest()
            pieces.append(Piece(str(attempt), Shard(name, rows, len(name), digest)))
    return pieces


def _finish(folder: Path, *, limit: float = 1.0, **changed: Any) -> dict[str, Any]:
    sides: dict[str, Any] = {
        "predictions": _pieces(folder, "predictions"),
        "failures": _pieces(folder, "failures"),
        "skipped": {"text": Count(3, "/p/a.csv"), "hidden": Count(2, "/p/.DS_Store")},
        "notes": {"column 'path' as the uri": Count(1, "/p/a.csv")},
        "discarded": [],
        "archives": [],
        **BALANCED,
        **changed,
    }
    attempt = str(folder / "_unfinished-x")
    finish = FinishRun(str(folder), attempt, "parquet", _identity(), limit)
    (manifest,) = finish.process(b"", **sides)
    return manifest.as_dict()


def _identity() -> Identity:
    there = vars(made_up_manifest(version="1.2.3"))
    return Identity(**{field.name: there[field.name] for field in dataclasses.fields(Identity)})


def test_a_balanced_ledger_ends_in_success(tmp_path: Path) -> None:
    manifest = _finish(tmp_path)
    content = (tmp_path / "_MANIFEST.json").read_bytes()
    assert read_manifest(str(tmp_path)).as_dict() == json.loads(content) == manifest
    subprocess.run(["sha256sum", "--check", "_SUCCESS"], cwd=tmp_path, check=True)
    files = manifest.pop("files")
    assert [*contents(tmp_path)] == [
        "_MANIFEST.json",
        "_SUCCESS",
        "__failures/failures-00000-of-00001.jsonl",
        "predictions-00000-of-00002.parquet",
        "predictions-00001-of-00002.parquet",
    ]
    for file in files:
        was = (tmp_path / file["name"]).read_bytes()
        assert file["rows"] == ROWS[was.decode()]
        assert file["sha256"] == hashlib.sha256(was).hexdigest()
    assert manifest.pop("finished")[-6:] == "+00:00"
    counts = list(manifest)[list(manifest).index("status") :]
    assert manifest["version"] == "1.2.3"
    assert {name: manifest[name] for name in counts} == {
        "status": "succeeded",
        "inputs": 9,
        "predictions": 7,
        "failures": 2,
        "failures_by_reason": {"truncated": 2},
        "duplicates": 1,
        "skipped": 5,
        "read_as": {"column 'path' as the uri": {"count": 1, "example": "/p/a.csv"}},
        "skipped_by_kind": {
            "text": {"count": 3, "example": "/p/a.csv"},
            "hidden": {"count": 2, "example": "/p/.DS_Store"},
        },
        "reused": 3,
        "discarded": [],
        "most_frequent_labels": [
            {"class_id": 1, "label": "tench", "count": 4},
            {"class_id": 9, "label": "hen", "count": 3},
        ],
    }


LOST = {"tally": {**BALANCED["tally"], "entries": 11}}
LISTED_ONLY = {"tally": {**BALANCED["tally"], "entries": 11, "inputs": 10}}
NOT_ON_DISK = {"outcomes": {**BALANCED["outcomes"], RowKind.PREDICTION.outcome(5): 1}}


@pytest.mark.parametrize("changed", [{"failures": []}, LOST, LISTED_ONLY, NOT_ON_DISK])
def test_a_row_too_many_or_too_few_fails_the_run(tmp_path: Path, changed: Any) -> None:
    with pytest.raises(UserError, match="the ledger does not add up"):
        _finish(tmp_path, **changed)
    assert read_manifest(str(tmp_path)).status == "failed"
    assert not (tmp_path / "_SUCCESS").exists()


def test_the_failure_rate_may_reach_its_limit_but_not_pass_it(tmp_path: Path) -> None:
    _finish(tmp_path, limit=2 / 9)
    with pytest.raises(UserError, match=r"2 of 9 pictures failed, a rate of 0\.2222"):
        _finish(tmp_path, limit=0.2)


def test_only_a_finished_run_is_protected(tmp_path: Path) -> None:
    check_writable(str(tmp_path / "new"), replace=False)
    (tmp_path / "_MANIFEST.json").write_text("{}", "utf-8")
    check_writable(str(tmp_path), replace=False)
    (tmp_path / "_SUCCESS").write_bytes(b"")
    check_writable(str(tmp_path), replace=True)
    with pytest.raises(UserError, match="or --overwrite to replace it"):
        check_writable(str(tmp_path), replace=False)
