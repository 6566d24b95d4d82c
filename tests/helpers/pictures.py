"""Pictures that tests make for themselves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image


def make_pictures(folder: Path, *, count: int, seed: int = 0) -> None:
    """Writes `000000.jpg`, `000001.jpg`, ...: 96 x 64 pixels in blocks of 8.

    Blocks, because the network answers white noise always alike.
    """
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.RandomState(seed)
    for number in range(count):
        blocks = random.randint(0, 256, size=(8, 12, 3), dtype=np.uint8)
        pixels = blocks.repeat(8, axis=0).repeat(8, axis=1)
        Image.fromarray(pixels).save(folder / f"{number:06d}.jpg", quality=90)


def block_pictures(count: int, *, size: int = 128, seed: int = 0) -> npt.NDArray[np.uint8]:
    """Pictures of 8 x 8 coloured blocks, uint8[count, size, size, 3]."""
    blocks = np.random.RandomState(seed).randint(0, 256, size=(count, 8, 8, 3), dtype=np.uint8)
    return blocks.repeat(size // 8, axis=1).repeat(size // 8, axis=2)
