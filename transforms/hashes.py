"""Hashes of names, where a set of ten million strings would be too large."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt


def hashes_of(names: Iterable[str]) -> npt.NDArray[np.uint64]:
    """A hash of each uri or name; among ten million two agree by a chance of 1 in 370,000."""
    # Ten million names make 5e13 pairs; each of them agrees once in 2**64.
    digests = (hashlib.blake2b(name.encode(), digest_size=8).digest() for name in names)
    return np.frombuffer(b"".join(digests), np.uint64)
