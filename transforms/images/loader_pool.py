"""Several pictures read and decoded at a time, in order, in bounded memory."""

from __future__ import annotations

import functools
import queue
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from transforms.ahead import InFlight
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

    def submit(self, loader: Loader, refs: Sequence[ImageRef]) -> InFlight[Image | Failure]:
        """Loads pictures, local ones together; what is wrong with one becomes its Failure's reason.

        Args:
            loader: how.
            refs: at least one; several only of this machine.
        """
        load = functools.partial(self._load, loader, refs)
        if files.is_local(refs[0].uri):
            return InFlight(self._local, load, count=len(refs))
        return InFlight(self._remote, load, idle=True)

    def submit_member(self, loader: Loader, member: Member) -> InFlight[Image | Failure]:
        """Decodes a picture of an archive, whose bytes have been read."""
        return InFlight(
            self._local,
            lambda: [self._decode(loader, member.ref, member.data, orientation=member.orientation)],
            size=len(member.data),
        )

    def _load(self, loader: Loader, refs: Sequence[ImageRef]) -> list[Image | Failure]:
        return [self._load_one(loader, ref) for ref in refs]

    def _load_one(self, loader: Loader, ref: ImageRef) -> Image | Failure:
        with self._budget.encoded.lent() as reserve:
            found = loader.read(ref, reserve=reserve)
            return found if isinstance(found, Failure) else self._decode(loader, *found)

    def _decode(
        self, loader: Loader, ref: ImageRef, data: bytes, *, orientation: int = 1
    ) -> Image | Failure:
        scratch = self._scratches.get()
        try:
            with self._budget.decoded.lent() as reserve:
                return loader.decode(
                    ref, data, scratch=scratch, reserve=reserve, orientation=orientation
                )
        finally:
            self._scratches.put(scratch)
