"""The side of the program that asks: processes that are started, reused, killed and replaced."""

from __future__ import annotations

import atexit
import json
import math
import mmap
import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from transforms.failures import ImageError, Reason
from transforms.images.guarded import wire

BASE_BYTES = 64 * 1024 * 1024
"""What a helper takes beside the work: Python, numpy and Pillow, mostly shared between helpers."""

# After so many a helper is replaced: what a library leaks ends with it.
_CALLS = 1_000

# A helper is given up when this many seconds, and ten times the processor time, have passed: it
# waits for something that never comes. On a busy machine waiting is normal.
_WALL_S, _WALL_FACTOR = 60.0, 10.0

_START = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from transforms.images.guarded.child import main
main(int(sys.argv[2]))
"""


class Limits(NamedTuple):
    """What one call may take.

    Attributes:
        memory: bytes of address space beyond what the helper has before it begins. Held on Linux
            only; elsewhere the work has to be bounded by the header alone.
        seconds: processor time, rounded up to whole seconds.
    """

    memory: int
    seconds: float


Arrays = npt.NDArray[Any] | tuple[npt.NDArray[Any], ...]
"""One, or several."""


def call(function: Callable[..., npt.NDArray[Any]], *args: Any, limits: Limits) -> npt.NDArray[Any]:
    """Runs a function that returns one array: as `call_all`, not empty."""
    return call_all(function, *args, limits=limits)[0]


def call_all(function: Callable[..., Arrays], *args: Any, limits: Limits) -> list[npt.NDArray[Any]]:
    """Runs a function in a helper process and returns its arrays.

    Safe to call from several threads; the GIL is free meanwhile. A helper that has served other
    calls before and dies is replaced and the call made again, so that no picture pays for the one
    before it.

    Args:
        function: of a module, not of the script that runs: the helper imports it. It may raise
            ImageError. An error of any other kind counts as a crash.
        args: anything that can be pickled.
        limits: of this call.

    Returns:
        Arrays of numbers, not all of them empty; C-contiguous. Nobody else has them: they may be
        written to.

    Raises:
        ImageError: what the function raises; or too_slow, decoder_crashed, or too_complex for a
            function that asks for too much memory.
    """
    request = pickle.dumps((function, args, *limits), pickle.HIGHEST_PROTOCOL)
    helper = _helpers.take()
    if helper.calls:
        try:
            return _lent(helper, request, limits)
        except _CrashedError:
            helper = _Helper()
    try:
        return _lent(helper, request, limits)
    except _CrashedError as error:
        raise ImageError(Reason.DECODER_CRASHED, str(error)) from error


def _lent(helper: _Helper, request: bytes, limits: Limits) -> list[npt.NDArray[Any]]:
    try:
        return helper.call(request, limits)
    finally:
        _helpers.give_back(helper)


def end_helpers() -> None:
    """Ends the helpers that wait for work; the next call starts one again."""
    _helpers.end()


class _CrashedError(Exception):
    """The helper is gone, or has answered what it should not."""


class _Helper:
    """One process and the socket to it."""

    def __init__(self) -> None:
        self.calls = 0
        self._socket, theirs = socket.socketpair()
        path = json.dumps([str(folder) for folder in sys.path])
        with theirs:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-c",
                    _START,
                    path,
                    str(theirs.fileno()),
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                env={**os.environ, **_ENVIRONMENT},
                start_new_session=True,  # Ctrl-C is for the program, which ends its helpers itself
            )

    @property
    def is_usable(self) -> bool:
        return self._process.returncode is None and self.calls < _CALLS

    def call(self, request: bytes, limits: Limits) -> list[npt.NDArray[Any]]:
        """Raises _CrashedError if the helper is to blame, else as the function `call`."""
        answered = False
        try:
            self.calls += 1
            self._socket.settimeout(_WALL_S + _WALL_FACTOR * limits.seconds)
            wire.send(self._socket, request)
            answer, files = wire.receive_with_files(self._socket)
            answered = True
        except TimeoutError as error:
            raise ImageError(Reason.TOO_SLOW, "the decoder was waited for in vain") from error
        except OSError as error:
            code = self.end()
            if code == -signal.SIGXCPU:
                text = f"the decoder took more than {limits.seconds:.0f} s of processor time"
                raise ImageError(Reason.TOO_SLOW, text) from error
            raise _CrashedError(f"the decoder crashed ({_exit_text(code)})") from error
        finally:
            if not answered:  # Ctrl-C too: an answer that nobody waits for would be the next one's
                self.end()
        said = json.loads(answer)
        if "crashed" in said:
            self.end()
            raise _CrashedError(f"the decoder crashed ({said['crashed']})")
        return _result(said, files)

    def end(self) -> int:
        """Ends the process, at once if it is at work, and returns how it has ended."""
        self._socket.close()
        if self._process.returncode is None:
            try:
                # One that is dying by itself has a reason, which a signal from here would hide.
                self._process.wait(_DYING_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
        return self._process.wait()

    def forget(self) -> None:
        """Closes the socket only: the process belongs to another program."""
        self._socket.close()


_DYING_S = 0.5

_ENVIRONMENT = {
    # Threads that nobody asked for would take address space and count as time.
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    # What a picture has taken goes back to the system when it is done.
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": str(4 * 1024 * 1024),
    "MALLOC_TRIM_THRESHOLD_": str(8 * 1024 * 1024),
}


def _exit_text(code: int) -> str:
    if code >= 0:
        return f"exit {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"


def _result(answer: dict[str, Any], files: list[int]) -> list[npt.NDArray[Any]]:
    """The arrays of an answer, in memory that the helper has filled; or what the answer says."""
    try:
        if "reason" in answer:
            raise ImageError(Reason(answer["reason"]), answer["message"])
        kinds = [(np.dtype(dtype), math.prod(shape), shape) for dtype, shape in answer["arrays"]]
        size = sum(dtype.itemsize * count for dtype, count, _ in kinds)
        (file,) = files
        memory = mmap.mmap(file, size, access=mmap.ACCESS_COPY)
        arrays, at = [], 0
        for dtype, count, shape in kinds:
            arrays.append(np.frombuffer(memory, dtype, count, at).reshape(shape))
            at += dtype.itemsize * count
        return arrays
    finally:
        for file in files:
            os.close(file)


class _Helpers:
    """Those that wait for work; a thread that finds none starts one.

    So there are as many as threads that have called at the same time.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[_Helper] = []

    def take(self) -> _Helper:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        return _Helper()

    def give_back(self, helper: _Helper) -> None:
        if helper.is_usable:
            with self._lock:
                self._idle.append(helper)
        else:
            helper.end()

    def end(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for helper in idle:
            helper.end()

    def forget(self) -> None:
        """In a forked process, to which they do not belong."""
        self._lock = threading.Lock()
        for helper in self._idle:
            helper.forget()
        self._idle = []


_helpers = _Helpers()
atexit.register(_helpers.end)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_helpers.forget)
