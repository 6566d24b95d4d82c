"""Time for tests of what waits: it passes when somebody sleeps, and hardly takes any."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

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
        self._lock = threading.Lock()
        self._pace_s = pace_s
        self._after = after

    def now(self) -> float:
        """Seconds since some moment."""
        return self._now

    def sleep(self, seconds: float) -> None:
        """Lets time pass."""
        until = self._now + seconds
        time.sleep(self._pace_s)
        with self._lock:
            self._now = max(self._now, until)
        if self._after is not None:
            self._after(self._now)
