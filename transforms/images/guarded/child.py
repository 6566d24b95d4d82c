"""The helper process: one call after the other, until the program is gone."""

from __future__ import annotations

import json
import os
import pickle
import resource
import socket
import sys
from pathlib import Path
from typing import Any

import numpy as np

from transforms.failures import ImageError, Reason
from transforms.images.guarded import wire

_STATM = Path("/proc/self/statm")


def main(connection: int) -> None:
    """Serves calls.

    Args:
        connection: number of the open socket to the program.
    """
    with socket.socket(fileno=connection) as program:
        while True:
            try:
                request = wire.receive(program)
            except ConnectionError:
                return
            _serve(program, request)


def _serve(program: socket.socket, request: bytes) -> None:
    function, args, memory, seconds = pickle.loads(request)
    try:
        _limit_time(seconds)
        _limit_memory(memory)
        found = function(*args)
        arrays = [
            np.ascontiguousarray(each) for each in (found if isinstance(found, tuple) else [found])
        ]
        _limit_memory(None)
        file = wire.shared_file(each.reshape(-1).view(np.uint8).data for each in arrays)
    except ImageError as error:
        _limit_memory(None)
        _answer(program, reason=error.reason.value, message=error.message)
    except MemoryError:
        _limit_memory(None)
        text = f"the decoder asks for more than {memory} bytes"
        _answer(program, reason=Reason.TOO_COMPLEX.value, message=text)
    except BaseException as error:
        _limit_memory(None)
        _answer(program, crashed=f"{type(error).__name__}: {error}"[:200])
        raise
    else:
        message = {"arrays": [(each.dtype.str, each.shape) for each in arrays]}
        wire.send_with_file(program, json.dumps(message).encode(), file)
        os.close(file)


def _answer(program: socket.socket, **said: str) -> None:
    wire.send(program, json.dumps(said).encode())


def _limit_time(seconds: float) -> None:
    """Processor time from now on; the signal that comes then ends the process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    soft = int(used.ru_utime + used.ru_stime + seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (soft if hard < 0 else min(soft, hard), hard))


def _limit_memory(more: int | None) -> None:
    """Address space beyond what there is; None: no limit. Only Linux tells, and holds it."""
    if sys.platform != "linux":
        return
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    soft: Any = resource.RLIM_INFINITY if hard < 0 else hard
    if more is not None:
        pages = int(_STATM.read_text().split()[0])
        wanted = pages * resource.getpagesize() + more
        soft = wanted if hard < 0 else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
