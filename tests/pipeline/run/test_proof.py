"""A large run with every kind of trouble in it, killed and resumed, adds up exactly."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.proof import prove


@pytest.mark.slow
def test_everything_laid_out_is_counted_after_five_kills(tmp_path: Path) -> None:
    """A million of them: `make proof`."""
    found = prove(tmp_path / "proof", 48_000, kills=5, seconds=12, seed=1)
    assert (found["inputs"], found["prediction"], found["skipped"]) == (48_001, 8_641, 480)
    assert (found["damaged_shard"], found["bad_manifest_row"]) == (240, 1_920)
    assert found["killed_at_work"] > 0
