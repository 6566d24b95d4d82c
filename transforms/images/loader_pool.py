"""Several pictures read and decoded at a time, in order, in bounded memory."""

from __future__ import annotations

import collections
import contextlib
import functools
import os
import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from transforms.images.loader import Loader
from transforms.images.pixels import Scratch
from transforms.inputs.archives.members import Member
from transforms.records import Failure, Image, ImageRef
from transforms.storage import files
from transforms.storage.content import Reserve

_LEAST_FETCHES = 64


_FETCHES_A_CORE = 32


_MOST_FETCHES = 256
"""Remote pictures fetched at a time. A core labels 430 pictures a second, so at 50 ms a request 22
of them have to be under way; the rest covers slower ones."""


_ROOM_BYTES = 256 * 1024 * 1024


class Room:
    """Memory that threads share for the encoded bytes in their hands.

    Args:
        size: bytes in all.
    """

    def __init__(self, size: int) -> None:
        self._size = self._free = size
        self._changed = threading.Condition()
        self._turn = threading.Lock()

    @contextlib.contextmanager
    def lent(self) -> Iterator[Reserve]:
        """Yields a function that waits for so many bytes; they are given back in the end."""
        held = 0

        def reserve(size: int) -> None:
            nonlocal held
            self._give(held)
            held = 0  # another attempt at the same picture begins anew
            held = self._take(min(size, self._size))

        try:
            yield reserve
        finally:
            self._give(held)

    def _take(self, size: int) -> int:
        with self._turn, self._changed:  # one waits at a time, or small ones would starve a large
            self._changed.wait_for(lambda: self._free >= size)
            self._free -= size
        return size

    def _give(self, size: int) -> None:
        with self._changed:
            self._free += size
            self._changed.notify_all()


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
    cores, and the encoded bytes of all of them fit into `_ROOM_BYTES`.
    """

    def __init__(self) -> None:
        threads = max(1, cores() - 1)
        self._local = ThreadPoolExecutor(threads, "load")
        fetching = min(max(_LEAST_FETCHES, _FETCHES_A_CORE * cores()), _MOST_FETCHES)
        self._remote = ThreadPoolExecutor(fetching, "fetch")
        self._room = Room(_ROOM_BYTES)
        self._scratches: queue.SimpleQueue[Scratch] = queue.SimpleQueue()
        for _ in range(threads + 1):
            self._scratches.put(Scratch())
        self.ahead = 2 * fetching
        """Pictures worth having in flight: two inference batches at least."""

    def submit(self, loader: Loader, ref: ImageRef) -> InFlight:
        """Loads a picture; whatever is wrong with it becomes the Failure's reason."""
        if files.is_local(ref.uri):
            return InFlight(self._local, functools.partial(self._load, loader, ref))
        return InFlight(self._remote, functools.partial(self._fetch, loader, ref), idle=True)

    def submit_member(self, loader: Loader, member: Member) -> InFlight:
        """Decodes a picture of an archive, whose bytes have been read."""
        decode = functools.partial(self._decode, loader, member.ref, member.data)
        return InFlight(self._local, decode, size=len(member.data))

    def _load(self, loader: Loader, ref: ImageRef) -> Image | Failure:
        found = loader.read(ref)  # needs no room: few are read at a time, as many as are decoded
        return found if isinstance(found, Failure) else self._decode(loader, *found)

    def _fetch(self, loader: Loader, ref: ImageRef) -> Image | Failure:
        with self._room.lent() as reserve:
            found = loader.read(ref, reserve=reserve)
            return found if isinstance(found, Failure) else self._decode(loader, *found)

    def _decode(self, loader: Loader, ref: ImageRef, data: bytes) -> Image | Failure:
        scratch = self._scratches.get()
        try:
            return loader.decode(ref, data, scratch=scratch)
        finally:
            self._scratches.put(scratch)


def cores() -> int:
    """Processors that this process may use, at least 1."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
