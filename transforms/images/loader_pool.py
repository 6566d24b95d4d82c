"""Several pictures read and decoded at a time, in order, in bounded memory."""

from __future__ import annotations

import collections
import functools
import queue
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from transforms.images.loader import Loader
from transforms.images.machine import cores, default_budget
from transforms.images.memory import Budget
from transforms.images.pixels import Scratch
from transforms.inputs.archives.members import Member
from transforms.records import Failure, Image, ImageRef
from transforms.storage import files

# Remote pictures fetched at a time. A core labels 430 pictures a second, so at 50 ms a request 22
# of them have to be under way; the rest covers slower ones.
_LEAST_FETCHES = 64
_FETCHES_A_CORE = 32
_MOST_FETCHES = 256


class InFlight:
    """A picture that a thread of a pool loads, or the thread that waits for it.

    Args:
        threads: of the pool.
        work: what loads it.
        size: encoded bytes that it holds meanwhile.
        idle: whether the work mostly waits, so that no other thread would gain by doing it.
    """

    def __init__(
        self,
        threads: ThreadPoolExecutor,
        work: Callable[[], Image | Failure],
        *,
        size: int = 0,
        idle: bool = False,
    ) -> None:
        self.size = size
        self._work = work
        self._idle = idle
        self._taken: Image | Failure | None = None
        self._future = threads.submit(work)

    def is_done(self) -> bool:
        """Whether the result is there."""
        return self._taken is not None or self._future.done()

    def take_over(self) -> bool:
        """Loads the picture in this thread, unless one has begun; whether it did."""
        # Only work that has not begun can be cancelled, and then no other thread ever begins it.
        if self._idle or self._taken is not None or not self._future.cancel():
            return False
        self._taken = self._work()
        return True

    def result(self) -> Image | Failure:
        """Waits for the picture."""
        return self._taken or self._future.result()

    def cancel(self) -> None:
        """Nobody will ask for the result."""
        self._future.cancel()


class Ahead:
    """Pictures in flight, in order. Whoever waits for the oldest one loads the newest meanwhile."""

    def __init__(self) -> None:
        self.bytes = 0
        """Encoded bytes that they hold."""
        self._pictures: collections.deque[InFlight] = collections.deque()

    def __len__(self) -> int:
        return len(self._pictures)

    def append(self, picture: InFlight) -> None:
        """Adds a picture."""
        self._pictures.append(picture)
        self.bytes += picture.size

    def pop(self) -> Image | Failure:
        """Removes the oldest picture and returns what became of it."""
        oldest = self._pictures[0]
        while not oldest.is_done() and self._take_over():
            pass
        self._pictures.popleft()
        self.bytes -= oldest.size
        return oldest.result()

    def _take_over(self) -> bool:
        """Loads the newest picture that no thread has begun; whether there was one."""
        return any(picture.take_over() for picture in reversed(self._pictures))

    def clear(self) -> None:
        """Forgets them all; those that no thread has begun are never loaded."""
        for picture in self._pictures:
            picture.cancel()
        self._pictures.clear()
        self.bytes = 0


class LoaderPool:
    """The threads that load pictures, one set a process.

    Local files keep a core busy each. There are as many threads for them as cores, the one that
    feeds the network included: it loads pictures itself rather than wait for one. Remote ones
    mostly wait for the network: many are fetched at a time, but no more are decoded than there are
    cores. What all of them take fits into the memory given, but for a picture that costs more
    than that alone: it waits until it is the only one.

    Args:
        memory: bytes for encoded and decoded pictures together. None: see `default_budget`.
        processes: that share the machine, for the default.
    """

    def __init__(self, *, memory: int | None = None, processes: int | None = 1) -> None:
        threads = max(1, cores() - 1)
        self._local = ThreadPoolExecutor(threads, "load")
        fetching = min(max(_LEAST_FETCHES, _FETCHES_A_CORE * cores()), _MOST_FETCHES)
        self._remote = ThreadPoolExecutor(fetching, "fetch")
        self._budget = Budget(memory or default_budget(processes), threads=threads + 1)
        self._scratches: queue.SimpleQueue[Scratch] = queue.SimpleQueue()
        # One more than threads: the thread that feeds the network loads pictures too.
        for _ in range(threads + 1):
            self._scratches.put(Scratch(self._budget.scratch))
        self.ahead = 2 * fetching
        """Pictures worth having in flight: two inference batches at least."""

    def submit(self, loader: Loader, ref: ImageRef) -> InFlight:
        """Loads a picture; whatever is wrong with it becomes the Failure's reason."""
        load = functools.partial(self._load, loader, ref)
        if files.is_local(ref.uri):
            return InFlight(self._local, load)
        return InFlight(self._remote, load, idle=True)

    def submit_member(self, loader: Loader, member: Member) -> InFlight:
        """Decodes a picture of an archive, whose bytes have been read."""
        decode = functools.partial(self._decode, loader, member.ref, member.data)
        return InFlight(self._local, decode, size=len(member.data))

    def _load(self, loader: Loader, ref: ImageRef) -> Image | Failure:
        with self._budget.encoded.lent() as reserve:
            found = loader.read(ref, reserve=reserve)
            return found if isinstance(found, Failure) else self._decode(loader, *found)

    def _decode(self, loader: Loader, ref: ImageRef, data: bytes) -> Image | Failure:
        scratch = self._scratches.get()
        try:
            with self._budget.decoded.lent() as reserve:
                return loader.decode(ref, data, scratch=scratch, reserve=reserve)
        finally:
            self._scratches.put(scratch)
