"""Work that threads do ahead of whoever needs its results, in order."""

from __future__ import annotations

import collections
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

T = TypeVar("T")


class InFlight(Generic[T]):
    """Results that a thread of a pool makes, or the thread that waits for them.

    Args:
        threads: the pool.
        work: what makes them.
        count: how many there will be.
        size: bytes that they hold meanwhile.
        idle: whether the work mostly waits, so that no other thread would gain by doing it.
    """

    def __init__(
        self,
        threads: ThreadPoolExecutor,
        work: Callable[[], Sequence[T]],
        *,
        count: int = 1,
        size: int = 0,
        idle: bool = False,
    ) -> None:
        self.count = count
        self.size = size
        self._work = work
        self._idle = idle
        self._taken: Sequence[T] | None = None
        self._future = threads.submit(work)

    def is_done(self) -> bool:
        """Whether the results are there."""
        return self._taken is not None or self._future.done()

    def take_over(self) -> bool:
        """Does the work in this thread, unless one has begun; whether it did."""
        # Only work that has not begun can be cancelled, and then no other thread ever begins it.
        if self._idle or self._taken is not None or not self._future.cancel():
            return False
        self._taken = self._work()
        return True

    def results(self) -> Sequence[T]:
        """Waits for the results."""
        return self._future.result() if self._taken is None else self._taken

    def cancel(self) -> None:
        """Nobody will ask for the results."""
        self._future.cancel()


class Ahead(Generic[T]):
    """Work in flight, in order. Whoever waits for the oldest does the newest meanwhile."""

    def __init__(self) -> None:
        self.count = 0
        """Results that are awaited."""
        self.bytes = 0
        """Bytes that they hold."""
        self._works: collections.deque[InFlight[T]] = collections.deque()

    def __len__(self) -> int:
        return len(self._works)

    def is_ready(self) -> bool:
        """Whether the oldest results are there."""
        return bool(self._works) and self._works[0].is_done()

    def append(self, work: InFlight[T]) -> None:
        """Adds work."""
        self._works.append(work)
        self.count += work.count
        self.bytes += work.size

    def pop(self) -> Sequence[T]:
        """Removes the oldest work and returns its results."""
        oldest = self._works[0]
        while not oldest.is_done() and self._take_over():
            pass
        self._works.popleft()
        self.count -= oldest.count
        self.bytes -= oldest.size
        return oldest.results()

    def _take_over(self) -> bool:
        """Does the newest work that no thread has begun; whether there was any."""
        return any(work.take_over() for work in reversed(self._works))

    def clear(self) -> None:
        """Forgets it all; what no thread has begun is never done."""
        for work in self._works:
            work.cancel()
        self._works.clear()
        self.count = self.bytes = 0
