"""The pictures of a benchmark: found, repeated to the wanted count, or made large."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from transforms.errors import UserError
from transforms.inputs import listing
from transforms.records import ImageRef

LARGE = (4000, 3000)
"""12 megapixels, the most common size of a telephone's photographs."""

_LONG_SIDE = 500
"""Of the default pictures, in pixels: the usual size of ImageNet's."""

_SHORT_SIDE = 250
"""What scikit-image's files must have to be taken, in pixels."""

_GRAIN = 3.0
"""Standard deviation of the noise in a large picture, in grey levels: a file then has 2 to 4 MB,
as from a telephone. Enlarged and smooth it has 1 MB and decodes too easily."""


def find(folder: str) -> list[Path]:
    """The pictures of a folder, sorted.

    Raises:
        UserError: no such folder, or no picture in it.
    """
    if not Path(folder).is_dir():
        raise UserError(f"--images {folder}: no such folder. Give a folder with photographs.")
    listed = listing.list_input(folder)
    found = sorted(Path(item.uri) for item in listed if isinstance(item, ImageRef))
    if not found:
        raise UserError(f"--images {folder}: no picture in it. Give a folder with photographs.")
    return found


def make_default(folder: Path) -> list[Path]:
    """The photographs of scikit-image as JPEG, the longer side 500 pixels, so like ImageNet's.

    Raises:
        UserError: scikit-image is not installed.
    """
    package = importlib.util.find_spec("skimage")
    if package is None or package.origin is None:
        raise UserError(
            "No pictures: scikit-image, whose photographs are the default, is not installed. "
            "Run pip install -e '.[bench]', or name pictures of yours: --images FOLDER."
        )
    folder.mkdir(parents=True)
    made = []
    data = Path(package.origin).parent / "data"
    for source in sorted([*data.glob("*.png"), *data.glob("*.jpg")]):
        image = Image.open(source).convert("RGB")
        if min(image.size) < _SHORT_SIDE:
            continue  # a test pattern
        image.thumbnail((_LONG_SIDE, _LONG_SIDE))
        made.append(folder / f"{source.stem}.jpg")
        image.save(made[-1], quality=95)
    return made


def repeat(pictures: Sequence[Path], folder: Path, *, count: int) -> Path:
    """A folder with `count` names of the pictures, in turn, as links: every name is one input."""
    folder.mkdir(parents=True)
    for number in range(count):
        source = pictures[number % len(pictures)]
        _link(source.resolve(), folder / f"{number:06d}{source.suffix.lower()}")
    return folder


def _link(source: Path, name: Path) -> None:
    """Hard where it can be, as a real file; another disk, or 65,000 links, take symbolic ones."""
    try:
        os.link(source, name)
    except OSError:
        os.symlink(source, name)


def enlarge(pictures: Sequence[Path], folder: Path, *, count: int) -> list[Path]:
    """12-megapixel JPEGs of the first `count` pictures: cropped to 4:3, upscaled, some grain."""
    folder.mkdir(parents=True)
    targets = [folder / f"{number:06d}.jpg" for number in range(min(count, len(pictures)))]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(_enlarge_one, pictures, targets))
    return targets


def _enlarge_one(source: Path, target: Path) -> None:
    width, height = LARGE
    image = Image.open(source).convert("RGB")
    pixels = np.asarray(ImageOps.fit(image, LARGE, Image.Resampling.BICUBIC))
    random = np.random.default_rng(int(target.stem))
    grain = random.standard_normal((height, width, 1), dtype=np.float32) * _GRAIN
    noisy = np.clip(pixels + grain, 0, 255).astype(np.uint8)
    Image.fromarray(noisy).save(target, quality=90)
