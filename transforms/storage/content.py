"""The bytes of one picture, wherever it is."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import NamedTuple

from transforms.errors import FinalError

Reserve = Callable[[int], None]
"""Asks for room in memory for so many bytes; may block."""


class Content(NamedTuple):
    """The encoded bytes of a picture, and their version as in `ImageRef`."""

    data: bytes
    version: str | None


class ChangedError(FinalError):
    """What is being read was replaced or deleted since it was opened."""

    def __init__(self, path: str) -> None:
        super().__init__(errno.EIO, "the object changed while it was read", path)


def require_at_most(max_bytes: int, size: int, path: str) -> None:
    """Refuses what is too large.

    Raises:
        OSError: EFBIG.
    """
    if size > max_bytes:
        raise OSError(errno.EFBIG, f"{size} bytes, the limit is {max_bytes}", path)
