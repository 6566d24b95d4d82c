"""What a command does before its imports, to start sooner and to take less memory."""

from __future__ import annotations

import contextlib
import gc
import os
from collections.abc import Iterator


@contextlib.contextmanager
def imports_uncollected() -> Iterator[None]:
    """Runs a command's imports without garbage collection, and exempts them from it ever after.

    Beam and what it imports leave some hundred thousand objects that stay to the end, and the
    collector walks through all of them again and again: a fifth of the time to the first picture.
    For a process that runs one command; in a longer-lived one nothing would ever be freed again of
    what is garbage at this moment.
    """
    gc.disable()
    try:
        yield
    finally:
        # What is there now is never looked at again.
        gc.freeze()
        gc.enable()


def share_memory_with_arrow() -> None:
    """Lets Arrow, once it is imported, take its memory from the C library, like everything else.

    Its own allocator holds on to room that was freed, beside that of the C library, and neither can
    use the other's: 35 MB of 356. Processes that this one starts do the same. Whoever has
    chosen an allocator in the environment keeps it.
    """
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")


def one_thread_for_products() -> None:
    """Keeps numpy, once it is imported, from starting a thread for each core.

    Labelling multiplies no matrices with numpy, and each of the threads spins for a while before it
    sleeps: 0.1 s of processor time on two cores. Whoever has chosen a number in the environment
    keeps it.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
