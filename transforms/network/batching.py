"""Whether a network gives the same for a picture alone and among others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from transforms.network.native import made_pictures
from transforms.network.ranking import BATCH_SIZE, Runnable

PROVEN_PICTURES: Final = 4 * BATCH_SIZE
"""Pictures that are compared: full batches, so that each place of one is tried four times."""


def first_difference(single: Runnable, many: Runnable, *, shape: tuple[int, int]) -> str | None:
    """Compares a network with itself, batch by batch, up to the first number that differs.

    Args:
        single: runs one picture at a time.
        many: runs `BATCH_SIZE` pictures at a time.
        shape: rows and columns of a picture.

    Returns:
        What differs, for a message; None if every bit is equal.
    """
    rows, columns = shape
    for squares in made_batches(max(shape)):
        pictures = [np.ascontiguousarray(square[:rows, :columns]) for square in squares]
        for name, alone, together in zip(
            ("outputs", "features"), single.run(pictures), many.run(pictures), strict=True
        ):
            if alone.tobytes() != together.tobytes():
                count = np.count_nonzero(alone != together)
                return f"{count} of {alone.size} {name} differ in a batch of {len(pictures)}"
    return None


def made_batches(size: int) -> Iterator[Sequence[npt.NDArray[np.uint8]]]:
    """`PROVEN_PICTURES`: those of the kernel's self-test, and clouds and noise of fixed seeds.

    Args:
        size: rows and columns of a picture.

    Yields:
        `BATCH_SIZE` arrays uint8[size, size, 3], the same on every machine.
    """
    random = np.random.RandomState(1)  # its numbers are frozen, unlike those of default_rng
    pictures = made_pictures(size)
    while len(pictures) < PROVEN_PICTURES:
        pictures.append(_cloud(random, size))
    for start in range(0, PROVEN_PICTURES, BATCH_SIZE):
        yield pictures[start : start + BATCH_SIZE]


def _cloud(random: np.random.RandomState, size: int) -> npt.NDArray[np.uint8]:
    """Blocks of all sizes on top of each other, larger ones stronger, as in photographs."""
    picture = np.zeros((size, size, 3), np.float32)
    step = 1
    while step < size:
        count = -(-size // step)
        blocks = random.randint(-step, step + 1, size=(count, count, 3)).astype(np.float32)
        picture += blocks.repeat(step, axis=0).repeat(step, axis=1)[:size, :size]
        step *= 2
    low, high = picture.min(), picture.max()
    return np.ascontiguousarray((picture - low) * (255 / (high - low)), np.uint8)
