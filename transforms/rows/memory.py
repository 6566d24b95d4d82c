"""Memory that was freed, back to the system."""

from __future__ import annotations

import ctypes
import sys

import pyarrow as pa


def give_back() -> None:
    """Returns what Arrow and the C library keep for later to the system.

    Writing a row group takes some ten megabytes in small pieces for a moment. Each time other holes
    between them stay behind, so that a run of many row groups would end with a third more memory
    than a run of one. Takes a few milliseconds. Does nothing for a C library other than glibc.
    """
    pa.default_memory_pool().release_unused()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
