"""A finished run, opened again."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.run.folder.finished import open_run
from transforms.errors import UserError


def test_a_folder_without_a_finished_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no finished run is there"):
        open_run(str(tmp_path))
