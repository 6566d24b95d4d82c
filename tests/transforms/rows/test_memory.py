from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from transforms.rows.memory import give_back


def _resident() -> int:
    """Bytes of this process that are in memory."""
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * 4096


@pytest.mark.skipif(sys.platform != "linux", reason="measured through /proc")
def test_holes_between_what_stays_go_back_to_the_system() -> None:
    # Too small for memory maps of their own; every hundredth stays and holds its place.
    blocks = [np.ones(64 * 1024, np.uint8) for _ in range(3_000)]
    kept = blocks[::100]
    blocks.clear()
    before = _resident()
    give_back()
    assert before - _resident() > 100e6
    assert len(kept) == 30
