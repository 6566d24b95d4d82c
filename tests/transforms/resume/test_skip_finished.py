"""What has its row already is not read again."""

from __future__ import annotations

import errno
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.contents import contents
from tests.helpers.pictures import make_pictures
from tests.helpers.resumed_runs import Run
from transforms.storage import local


def test_only_what_is_new_or_changed_is_read(run: Run) -> None:
    before = run.rows()
    for number in range(10):
        run.ruin_unseen(f"{number:06d}.jpg")
    make_pictures(run.photos / "more", count=2, seed=5)
    shutil.copy(run.photos / "more/000000.jpg", run.photos / "000003.jpg")
    run.picture("000004.jpg").unlink()
    run.picture("empty.jpg").unlink()
    (run.photos / "more/000000.jpg").rename(run.photos / "more/a.jpg")
    (run.photos / "more/000001.jpg").rename(run.photos / "more/b.jpg")
    assert run.label("--resume") == 0
    after = run.rows()
    assert set(after) == set(before) - {"000004.jpg"} | {"a.jpg", "b.jpg"}
    kept = set(before) - {"000003.jpg", "000004.jpg"}
    assert {name: after[name] for name in kept} == {name: before[name] for name in kept}
    assert after["000003.jpg"]["sha256"] == after["a.jpg"]["sha256"] != before["000003.jpg"]
    assert run.failures() == {"dangling.jpg": "not_found"}
    manifest = run.manifest
    counts = ("inputs", "predictions", "failures", "reused", "discarded")
    assert [manifest[name] for name in counts] == [12, 11, 1, 9, []]
    assert sum(label["count"] for label in manifest["most_frequent_labels"]) == 11
    assert [*contents(run.out)] == [
        "_MANIFEST.json",
        "_SUCCESS",
        "__failures/failures-00000-of-00001.jsonl",
        "predictions-00000-of-00001.parquet",
    ]


def test_with_nothing_left_to_do_the_shards_stay_where_they_are(run: Run) -> None:
    before, files = run.rows(), {path.name: path.stat().st_ino for path in run.out.glob("*-of-*")}
    assert run.label("--resume") == 0
    assert {path.name: path.stat().st_ino for path in run.out.glob("*-of-*")} == files
    assert (run.rows(), run.manifest["reused"]) == (before, 12)


def test_meta_is_that_of_the_new_listing(run: Run) -> None:
    before = run.rows()
    for number in range(10):
        run.ruin_unseen(f"{number:06d}.jpg")
    listing = run.photos / "list.csv"
    listing.write_text("uri,id\n000001.jpg,7\n000002.jpg,8\nempty.jpg,9\n", "utf-8")
    assert run.label("--resume", source=listing) == 0
    expected = {f"00000{n}.jpg": {**before[f"00000{n}.jpg"]} for n in (1, 2)}
    expected["000001.jpg"]["meta"] = '{"id": "7"}'
    expected["000002.jpg"]["meta"] = '{"id": "8"}'
    assert run.rows() == expected
    (failure,) = (
        (run.out / "__failures/failures-00000-of-00001.jsonl").read_text("utf-8").splitlines()
    )
    assert json.loads(failure)["meta"] == '{"id": "9"}'


def test_only_retryable_failures_are_tried_again_and_only_on_demand(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = run.rows()
    real = local.read
    tried: list[str] = []

    def disk_error(path: str, **options: Any) -> Any:
        tried.append(Path(path).name)
        if path.endswith("000003.jpg") and len(tried) < 20:
            raise OSError(errno.EIO, "Input/output error")
        return real(path, **options)

    monkeypatch.setattr(local, "read", disk_error)
    assert run.label("--overwrite") == 0
    assert run.failures()["000003.jpg"] == "io_error"
    tried.clear()
    tried += ["a disk that works now"] * 20
    assert run.label("--resume") == 0
    assert run.failures()["000003.jpg"] == "io_error"
    assert run.label("--retry-failures") == 0
    assert run.failures() == {"empty.jpg": "empty", "dangling.jpg": "not_found"}
    assert run.rows() == expected
    assert tried[20:] == ["000003.jpg"]
