"""Functions for helper processes that behave as decoders do, badly most of the time."""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from transforms.failures import ImageError, Reason
from transforms.images.guarded.guard import Arrays

Array = npt.NDArray[Any]


def process() -> Array:
    """The number of the process that runs this."""
    return np.array([os.getpid()])


def product(values: Array, factor: int) -> Array:
    return values * factor


def counting(height: int, width: int) -> Array:
    """float32[height, width] of 0, 1, 2 and so on, in the order of columns."""
    return np.arange(height * width, dtype=np.float32).reshape(width, height).T


def several() -> tuple[Array, ...]:
    """Of three bytes, of none, of two numbers."""
    last = np.array([[0.5, 1.5]], np.float32)
    return np.array([1, 2, 3], np.uint8), np.empty(0, np.uint8), last


def refusing() -> Array:
    raise ImageError(Reason.TRUNCATED, "it ends\ntoo early")


def failing() -> Array:
    raise RuntimeError("no such thing")


def peak(function: Callable[[bytes], Arrays], small: bytes, data: bytes) -> Array:
    """Bytes that a function takes at its peak, its arrays included, beyond what it always has.

    Args:
        function: decodes.
        small: a file of the same format, which is decoded first.
        data: the file.
    """
    function(small)
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")
    before = _status("VmRSS")
    found = function(data)
    size = sum(each.nbytes for each in (found if isinstance(found, tuple) else [found]))
    return np.array([_status("VmHWM") - before + size])


def _status(name: str) -> int:
    """Bytes, by /proc/self/status."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(name))


def segfault() -> Array:
    ctypes.string_at(0)
    raise AssertionError("not reached")


def segfault_once(marker: str) -> Array:
    """Crashes where the file is not there yet, which it makes."""
    try:
        Path(marker).touch(exist_ok=False)
    except FileExistsError:
        return process()
    return segfault()


def busy() -> Array:
    while True:
        pass


def stuck() -> Array:
    """Waits for what never comes."""
    threading.Event().wait()
    raise AssertionError("not reached")


def taking(size: int) -> Array:
    """Takes so many bytes."""
    return np.ones(size, np.uint8)[:1]


def killed() -> Array:
    os.kill(os.getpid(), signal.SIGKILL)
    return process()


def slow_process(seconds: float) -> Array:
    time.sleep(seconds)
    return process()


def printing() -> Array:
    """Says something on both streams."""
    os.write(1, b"to standard output\n")
    os.write(2, b"to standard error\n")
    return process()
