"""Time for tests of what waits."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

from transforms.outage import Clock


class FakeClock(Clock):
    """Several threads that sleep at the same time do so together, as with a real clock.

    Args:
        pace_s: real seconds that a sleep takes, however long it is.
        after: called with the time after each sleep.
    """

    def __init__(
        self, *, pace_s: float = 0.0, after: Callable[[float], None] | None = None
    ) -> None:
        self._now = 1000.0
        self._changed = threading.Condition()
        self._pace_s = pace_s
        self._after = after
        self._threads = 0
        self._wakes: list[float] = []

    def now(self) -> float:
        """Seconds since some moment."""
        return self._now

    @contextlib.contextmanager
    def one_of(self, threads: int) -> Iterator[None]:
        """Lets no time pass in the body, in any of so many threads, while one of them is at work.

        However long a slow machine takes for a request, none of their deadlines comes nearer.
        """
        with self._changed:
            self._threads = self._threads or threads
        try:
            yield
        finally:
            with self._changed:
                self._threads -= 1
                self._changed.notify_all()

    def sleep(self, seconds: float) -> None:
        """Lets time pass."""
        until = self._now + seconds
        time.sleep(self._pace_s)
        with self._changed:
            self._wait_for_others(until)
            self._now = max(self._now, until)
            self._changed.notify_all()
        if self._after is not None:
            self._after(self._now)

    def _wait_for_others(self, until: float) -> None:
        self._wakes.append(until)
        self._changed.notify_all()
        self._changed.wait_for(
            lambda: (
                self._now >= until
                or (len(self._wakes) >= self._threads and until <= min(self._wakes))
            )
        )
        self._wakes.remove(until)
