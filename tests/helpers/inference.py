"""Pictures for a network."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from transforms.records import Image, ImageRef


def coarse_pixels(count: int, *, seed: int = 0) -> list[npt.NDArray[np.uint8]]:
    random = np.random.RandomState(seed)
    # Coarse blocks: unlike white noise they drive the network to different classes.
    blocks = random.randint(0, 256, size=(count, 8, 8, 3), dtype=np.uint8)
    return list(blocks.repeat(16, axis=1).repeat(16, axis=2))


def image_of(number: int, pixels: npt.NDArray[np.uint8]) -> Image:
    return Image(
        ImageRef(f"/{number}.jpg", '{"n": 1}', 9, "17"), "ab" * 32, 500, 375, "JPEG", pixels
    )
