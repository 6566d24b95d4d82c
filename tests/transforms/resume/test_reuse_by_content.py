"""Rows of pictures that have another name now."""

from __future__ import annotations

import os
import shutil

from tests.helpers.pictures import make_pictures
from tests.helpers.resumed_runs import Run


def test_renamed_and_copied_pictures_get_the_row_of_their_content(run: Run) -> None:
    before = run.rows()
    run.picture("000001.jpg").rename(run.picture("renamed.jpg"))
    shutil.copy(run.picture("000002.jpg"), run.picture("copied.jpg"))
    os.utime(run.picture("000003.jpg"), ns=(7, 7))
    make_pictures(run.photos / "more", count=1, seed=5)
    (run.photos / "more/000000.jpg").rename(run.picture("new.jpg"))
    assert run.label("--reuse-by", "sha256") == 0
    after = run.rows()
    assert run.manifest["reused"] == 13  # ten predictions, a copy, two failures
    for name, was in {"renamed": "000001", "copied": "000002", "000003": "000003"}.items():
        row, stored = after[f"{name}.jpg"], before[f"{was}.jpg"]
        assert row.pop("uri") == str(run.picture(f"{name}.jpg"))
        assert row.pop("version") == str(run.picture(f"{name}.jpg").stat().st_mtime_ns)
        assert row == {key: stored[key] for key in row}
    assert set(after) == set(before) - {"000001.jpg"} | {"renamed.jpg", "copied.jpg", "new.jpg"}


def test_what_cannot_be_hashed_is_labelled_or_fails_as_ever(run: Run) -> None:
    run.picture("dangling.jpg").unlink()
    run.picture("gone.jpg").symlink_to("nowhere.jpg")
    assert run.label("--reuse-by", "sha256") == 0
    assert run.failures() == {"empty.jpg": "empty", "gone.jpg": "not_found"}
