"""What a whole run takes on a machine of many cores: its budget, and what it has before."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from PIL import Image

from benchmarks import process
from pipeline.run.folder.finished import open_run
from tests.helpers.costly import costly
from tests.helpers.encoded import encoded

_SIXTEEN_CORES = """
import os, sys
os.sched_getaffinity = lambda _: set(range(16))
os.cpu_count = lambda: 16
from pipeline.cli import main
status = main()
print(open("/proc/self/status").read())
sys.exit(status)
"""

_SIDE = 4_600
"""21 megapixels each."""

_BUDGET = 1_200_000_000

_REST = 300_000_000
"""Bytes of a run beside its pictures, as SECURITY.md says: most of them are imports."""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="Linux tells the memory")
def test_sixteen_cores_stay_within_the_budget(tmp_path: Path, stand_in_file: Path) -> None:
    pictures = dict(costly(_SIDE))
    pictures["colour.jp2"] = encoded(Image.new("RGB", (_SIDE, _SIDE), (5, 9, 200)), "JPEG2000")
    (tmp_path / "in").mkdir()
    for name, data in pictures.items():
        for copy in range(3):
            (tmp_path / "in" / f"{copy}-{name}").write_bytes(data)
    words = ["--input", tmp_path / "in", "--output", tmp_path / "out", "--model", stand_in_file]
    command = [sys.executable, "-c", _SIXTEEN_CORES, "label", "--quiet", *map(str, words)]
    log = tmp_path / "log.txt"
    done = process.run([*command, "--memory", str(_BUDGET)], log=log, env={})
    assert open_run(str(tmp_path / "out")).manifest.predictions == 3 * len(pictures) == 33
    peak = re.search(r"^VmHWM:\s+(\d+) kB$", log.read_text(), re.MULTILINE)
    assert peak is not None
    assert 1024 * int(peak[1]) <= _BUDGET + _REST
    assert done.peak_bytes is not None
    assert done.peak_bytes <= _BUDGET + _REST  # that of helper processes too, now and then
