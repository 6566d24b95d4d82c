"""Functions in helper processes: their answers, what becomes of bad ones, and that none is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from tests.helpers import guarded_work as work
from tests.helpers.root import ROOT
from transforms.failures import ImageError
from transforms.images.guarded import guard
from transforms.images.guarded.guard import Limits, call, call_all

_LIMITS = Limits(memory=500_000_000, seconds=10)


def _pid() -> int:
    return int(call(work.process, limits=_LIMITS)[0])


def _is_there(process: int) -> bool:
    """Whether there is such a process, or what is left of one that nobody has waited for."""
    return Path(f"/proc/{process}").exists() if sys.platform == "linux" else _answers(process)


def _answers(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def _refused(function: Callable[..., work.Array], *args: object, limits: Limits = _LIMITS) -> str:
    with pytest.raises(ImageError) as raised:
        call(function, *args, limits=limits)
    return f"{raised.value.reason.value}: {raised.value}"


def test_the_array_comes_back_whole_and_is_ones_own() -> None:
    first = call(work.product, np.array([[1, 2], [3, 4]], np.uint8), 3, limits=_LIMITS)
    second = call(work.counting, 2, 3, limits=_LIMITS)
    first += 1
    assert (first.dtype, first.tolist()) == (np.dtype("uint8"), [[4, 7], [10, 13]])
    assert (second.dtype, second.tolist()) == (np.dtype("float32"), [[0, 2, 4], [1, 3, 5]])
    assert second.flags.c_contiguous


def test_several_arrays_come_back() -> None:
    first, empty, last = call_all(work.several, limits=_LIMITS)
    first[0] = 9
    assert (first.dtype, first.tolist()) == (np.dtype("uint8"), [9, 2, 3])
    assert (empty.dtype, empty.shape) == (np.dtype("uint8"), (0,))
    assert (last.dtype, last.tolist()) == (np.dtype("float32"), [[0.5, 1.5]])


def test_a_large_array_comes_back() -> None:
    found = call(work.counting, 3_000, 4_000, limits=_LIMITS)
    assert found.shape == (3_000, 4_000)
    assert found[2_999, 3_999] == 11_999_999


def test_one_process_serves_many_calls_of_a_thread() -> None:
    assert _pid() == _pid() != os.getpid()


def test_a_process_is_replaced_after_many_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "_helpers", guard._Helpers())
    monkeypatch.setattr(guard, "_CALLS", 2)
    assert len({_pid() for _ in range(4)}) == 2


def test_threads_have_a_process_each() -> None:
    with ThreadPoolExecutor(3) as pool:
        found = pool.map(lambda _: call(work.slow_process, 1.0, limits=_LIMITS), range(3))
        assert len({int(each[0]) for each in found}) == 3


def test_an_error_of_the_picture_keeps_the_process() -> None:
    before = _pid()
    assert _refused(work.refusing) == "truncated: it ends too early"
    assert _pid() == before


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (work.failing, "decoder_crashed: the decoder crashed (RuntimeError: no such thing)"),
        (work.segfault, "decoder_crashed: the decoder crashed (SIGSEGV)"),
        (work.killed, "decoder_crashed: the decoder crashed (SIGKILL)"),
    ],
)
def test_a_crash_is_a_reason_and_the_next_call_works(
    function: Callable[..., work.Array], expected: str
) -> None:
    before = _pid()
    assert _refused(function) == expected
    assert _pid() != before
    assert not _is_there(before)


def test_a_process_that_an_earlier_call_has_damaged_costs_no_row(tmp_path: Path) -> None:
    before = _pid()
    found = call(work.segfault_once, str(tmp_path / "crashed"), limits=_LIMITS)
    assert int(found[0]) not in (before, os.getpid())


def test_processor_time_is_limited() -> None:
    before = _pid()
    said = _refused(work.busy, limits=_LIMITS._replace(seconds=1))
    assert said == "too_slow: the decoder took more than 1 s of processor time"
    assert not _is_there(before)


def test_processor_time_of_earlier_calls_does_not_count() -> None:
    """Each call may take a second; together they take more."""
    limits = _LIMITS._replace(seconds=1)
    before = _pid()
    for _ in range(6):
        call(work.counting, 3_000, 10_000, limits=limits)
    assert _pid() == before


def test_waiting_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "_WALL_S", 1.0)
    said = _refused(work.stuck, limits=_LIMITS._replace(seconds=0.01))
    assert said == "too_slow: the decoder was waited for in vain"
    assert _pid()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux holds a limit of memory")
def test_memory_is_limited_a_call() -> None:
    limits = _LIMITS._replace(memory=50_000_000)
    assert call(work.taking, 40_000_000, limits=limits).tolist() == [1]
    before = _pid()
    said = _refused(work.taking, 60_000_000, limits=limits)
    assert said == "too_complex: the decoder asks for more than 50000000 bytes"
    assert call(work.taking, 60_000_000, limits=_LIMITS).tolist() == [1]
    assert _pid() == before


def test_what_a_library_prints_is_not_seen(capfd: pytest.CaptureFixture[str]) -> None:
    call(work.printing, limits=_LIMITS)
    assert capfd.readouterr() == ("", "")


def test_a_forked_process_has_helpers_of_its_own() -> None:
    before = _pid()
    child = os.fork()
    if child == 0:
        os._exit(0 if _pid() != before else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert _pid() == before


_PROGRAM = """
import os, signal, sys, threading, time
from tests.helpers import guarded_work as work
from transforms.images.guarded.guard import Limits, call
limits = Limits(memory=500_000_000, seconds=60)
print(int(call(work.process, limits=limits)[0]), flush=True)
"""


@pytest.mark.parametrize(
    ("rest", "expected"),
    [
        ("", 0),
        ("os._exit(3)", 3),
        ("os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
        ("call(work.stuck, limits=limits)", -signal.SIGINT),
    ],
    ids=["end", "exit", "killed", "interrupted"],
)
def test_no_process_is_left_when_the_program_ends(rest: str, expected: int) -> None:
    command = [sys.executable, "-c", _PROGRAM + rest]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as program:
        assert program.stdout is not None
        helper = int(program.stdout.readline())
        if expected == -signal.SIGINT:
            program.send_signal(signal.SIGINT)
        assert program.wait(60) == expected
        # The helper holds no end of this pipe, so it is read to the end whatever becomes of it.
        assert program.stdout.read() == ""
    for _ in range(600):
        if not _is_there(helper):
            return
        time.sleep(0.1)
    raise AssertionError(f"process {helper} is still there")


def test_nothing_is_started_before_the_first_call() -> None:
    code = (
        "from transforms.images.guarded import guard\n"
        "import sys; sys.exit(bool(guard._helpers._idle) or 'PIL' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
