"""Ctrl-C and the signal that schedulers send: the first is a request, the second an order."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def as_interrupts() -> Iterator[list[int]]:
    """Turns the first SIGINT or SIGTERM into a `KeyboardInterrupt`; the second ends the process.

    What the shell has told a program to ignore (`nohup`, `&` in a script) stays ignored. Signals
    reach the main thread only: in another one nothing changes.

    Yields:
        The numbers of the signals that have come, one at most.
    """
    received: list[int] = []

    def interrupt(number: int, _: Any) -> None:
        received.append(number)
        # The next signal ends the process: whoever asks twice does not want to wait.
        for each in before:
            signal.signal(each, signal.SIG_DFL)
        raise KeyboardInterrupt

    before: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        before = {
            number: signal.getsignal(number)
            for number in _SIGNALS
            if signal.getsignal(number) is not signal.SIG_IGN
        }
    for number in before:
        signal.signal(number, interrupt)
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
