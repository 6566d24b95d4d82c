from __future__ import annotations

from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.testing.util import assert_that

from transforms.inputs.archives.finished import FinishedArchive, read_finished
from transforms.resume.stage_archives import StageArchives
from transforms.rows import stage_rows

RECORDS = [FinishedArchive(f"/{n}.tar", "1", n, {}, {}) for n in range(3)]


@pytest.mark.parametrize("every_s", [0.0, 10.0])
def test_records_are_in_files_whose_names_come_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, every_s: float
) -> None:
    monkeypatch.setattr(stage_rows, "CHECKPOINT_SECONDS", every_s)

    def holds(paths: list[str]) -> None:
        assert sorted(paths) == sorted(map(str, tmp_path.iterdir()))

    with beam.Pipeline() as pipeline:
        paths = pipeline | beam.Create(RECORDS) | StageArchives(str(tmp_path))
        assert_that(paths, holds)
    found = [each for path in tmp_path.iterdir() for each in read_finished(str(path))]
    assert sorted(found) == RECORDS
    if every_s == 0:  # each as soon as it is there, for a run that may be killed
        assert len(list(tmp_path.iterdir())) == 3
