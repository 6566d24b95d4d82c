from __future__ import annotations

import gc
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.console.startup import imports_uncollected

_CHOICE = {"ARROW_DEFAULT_MEMORY_POOL": "mimalloc"}


def _import_badly() -> None:
    with imports_uncollected():
        assert not gc.isenabled()
        raise ImportError


def test_imports_are_frozen_and_the_collector_comes_back_even_after_an_error() -> None:
    before = gc.get_freeze_count()
    try:
        with pytest.raises(ImportError):
            _import_badly()
        assert gc.isenabled()
        assert gc.get_freeze_count() > before
    finally:
        gc.unfreeze()


_LABEL = """
from pipeline.cli import main
assert main(["label", "--input", "no such folder", "--output", "out"]) == 1
import pyarrow
print(pyarrow.default_memory_pool().backend_name)
"""


@pytest.mark.parametrize(("chosen", "used"), [({}, "system"), (_CHOICE, "mimalloc")])
def test_a_run_lets_arrow_share_memory_unless_told_otherwise(
    tmp_path: Path, chosen: dict[str, str], used: str
) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in _CHOICE}
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    done = subprocess.run(
        [sys.executable, "-c", _LABEL],
        check=True,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**environment, **chosen},
    )
    assert done.stdout.split() == [used]
