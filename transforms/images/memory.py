"""Memory that decoders share: who may take how much of it next.

A file of a few kilobytes can declare 100 megapixels, so what pictures take is bounded for all
threads of a process together: each asks for what its picture will cost before it decodes.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from transforms.rows.memory import KEPT_BYTES, return_large_blocks
from transforms.storage.content import Reserve

_MOST_ENCODED = 256 * 1024 * 1024

# 22 megapixels in RGB: larger pictures are so slow that fresh memory does not tell.
_MOST_SCRATCH = 64 * 1024 * 1024

# For each row and each column: Pillow keeps a pointer a row in up to four copies of a picture, and
# 32 bytes a column of coefficients where it resamples one. Tells in pictures of one row only.
_SIDE_BYTES = 64


class Room:
    """Memory that threads share.

    Args:
        size: bytes in all.
    """

    def __init__(self, size: int) -> None:
        self._size = self._free = size
        self._changed = threading.Condition()
        self._turn = threading.Lock()

    @contextlib.contextmanager
    def lent(self) -> Iterator[Reserve]:
        """Yields a function that waits for so many bytes; they are given back in the end.

        Whoever asks for more than there is gets all of it: it has the room to itself.
        """
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


class Budget:
    """What the pictures of one process may take, divided among the uses of it.

    Whatever waits for decoded bytes may hold encoded ones, never the reverse, so that there is
    always one that goes on.

    Args:
        size: bytes in all.
        threads: that decode.

    Attributes:
        encoded: room for files in the hands of threads.
        decoded: room for pixels, and for all that a decoder takes to make them.
        scratch: bytes that each thread may keep from one picture to the next.
    """

    def __init__(self, size: int, *, threads: int) -> None:
        # Otherwise the C library would keep freed pixels, which nobody counts.
        return_large_blocks()
        # Files, scratch and freed blocks get at most an eighth each, pixels the rest.
        eighth = size // 8
        encoded = min(eighth, _MOST_ENCODED)
        self.scratch = min(eighth // threads, _MOST_SCRATCH)
        kept = min(eighth, threads * KEPT_BYTES)
        self.encoded = Room(encoded)
        self.decoded = Room(size - encoded - threads * self.scratch - kept)


def picture_bytes(width: int, height: int, *, a_pixel: int, copied: int = 0) -> int:
    """What a picture takes at its peak, until it is cropped and resampled.

    Args:
        width: columns that are decoded.
        height: rows.
        a_pixel: bytes for each pixel, as measured: see `tests/transforms/images/test_memory.py`.
        copied: bytes of the file, if it is copied without some of its parts: in pieces, then whole.
    """
    return width * height * a_pixel + (width + height) * _SIDE_BYTES + 2 * copied
