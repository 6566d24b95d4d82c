"""Memory that was freed, back to the system."""

from __future__ import annotations

import ctypes
import sys

KEPT_BYTES = 8 * 1024 * 1024
"""Of what a thread has freed, at most, after `return_large_blocks`."""

_LARGE_BYTES = 4 * 1024 * 1024

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # <malloc.h>


def return_large_blocks() -> None:
    """Makes the C library return large blocks to the system as soon as they are freed.

    By default glibc learns from each block it returns to keep the next of that size, up to 64 MB a
    thread: sixteen threads that decode large pictures one after the other would hold the memory of
    sixteen. Does nothing for a C library other than glibc.
    """
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)
            mallopt(_M_TRIM_THRESHOLD, KEPT_BYTES)


def give_back() -> None:
    """Returns what Arrow and the C library keep for later to the system.

    Writing a row group takes some ten megabytes in small pieces for a moment. Each time other holes
    between them stay behind, so that a run of many row groups would end with a third more memory
    than a run of one. Takes a few milliseconds. Does nothing for a C library other than glibc.
    """
    import pyarrow as pa  # here, because decoders have no use for it

    pa.default_memory_pool().release_unused()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
