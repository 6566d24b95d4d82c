"""Signals within one process; `tests/pipeline/test_interrupts.py` sends them to real runs."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from pipeline.console.signals import as_interrupts


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_signal_is_an_interrupt_and_the_next_would_end_the_process(
    number: signal.Signals,
) -> None:
    before = signal.getsignal(number)
    with as_interrupts() as received:
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
        assert received == [number]
        assert signal.getsignal(signal.SIGINT) is signal.SIG_DFL
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN  # it comes twice
    assert signal.getsignal(number) is before


def test_what_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with as_interrupts() as received:
            os.kill(os.getpid(), signal.SIGTERM)
        assert received == []
    finally:
        signal.signal(signal.SIGTERM, before)


def test_another_thread_changes_nothing() -> None:
    found: list[object] = []

    def look() -> None:
        with as_interrupts():
            found.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert found == [signal.getsignal(signal.SIGTERM)]
