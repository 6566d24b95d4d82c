"""Holds the compiled kernel against the decoders in Python, on damaged JPEG files.

    python -m tests.helpers.kernel_fuzz --seed 7 --count 1000000
    python -m tests.helpers.kernel_fuzz --seed 7 --first 123 --count 1 --save FOLDER

Equal or handed back, nothing else: a file that the kernel takes must be one that the decoders take,
with the same pixels. A damaged file and how it is loaded depend on its seed and number alone.
"""

from __future__ import annotations

import argparse
import os
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import quantlabel_native
from PIL import Image

from tests.helpers.encoded import encoded, orientation_exif, waves
from tests.helpers.fuzz import damaged
from tests.helpers.profiles import PROFILES
from transforms.failures import ImageError
from transforms.images.preprocess import load
from transforms.images.settings import Method, Preprocessing

SUBSAMPLINGS = ("4:4:4", "4:2:2", "4:2:0")
METHODS: tuple[Method, ...] = ("eval", "slim", "stretch-nearest")
MAX_PIXELS = 1_000_000


def corpus() -> list[bytes]:
    """Whole files of every kind that the kernel takes, and some that it does not."""
    return [*_colour(), *_other()]


def _colour() -> Iterator[bytes]:
    for number, subsampling in enumerate(SUBSAMPLINGS):
        for height, width in ((37, 41), (16, 16), (7, 90)):
            for quality in (30, 75, 97):
                picture = waves(height, width, period=9.0 + 10 * number)
                yield encoded(picture, "JPEG", quality=quality, subsampling=subsampling)
        picture = waves(50, 61, period=25.0)
        restarts = {"restart_marker_blocks": 1 + 2 * number}
        yield encoded(picture, "JPEG", subsampling=subsampling, **restarts)
        exif = orientation_exif(4 + number)
        yield encoded(picture, "JPEG", subsampling=subsampling, exif=exif, optimize=True)
        yield with_sampling(encoded(picture, "JPEG", subsampling="4:4:4"), 0x11 + number)


def _other() -> Iterator[bytes]:
    noise = np.random.default_rng(0).integers(0, 256, (33, 47, 3), np.uint8)
    yield encoded(noise, "JPEG", quality=100)
    yield encoded(noise[..., 0], "JPEG", restart_marker_rows=1)
    yield encoded(waves(30, 40)[..., 1], "JPEG", optimize=True)
    yield encoded(waves(30, 40), "JPEG", keep_rgb=True)
    yield encoded(waves(30, 40), "JPEG", progressive=True)
    yield encoded(Image.fromarray(waves(30, 40)).convert("CMYK"), "JPEG")
    for name, subsampling in (("Display P3", "4:2:0"), ("ProPhoto", "4:4:4")):
        exif = orientation_exif(6 if name == "ProPhoto" else 1)
        picture = waves(45, 38, period=21.0)
        icc = PROFILES[name]
        yield encoded(picture, "JPEG", subsampling=subsampling, icc_profile=icc, exif=exif)


def with_sampling(data: bytes, factors: int) -> bytes:
    """A JPEG whose luma claims other sampling factors; its pixels then make no sense."""
    frame = data.index(b"\xff\xc0")
    return data[: frame + 11] + bytes([factors]) + data[frame + 12 :]


def one(files: Sequence[bytes], *, seed: int, number: int) -> tuple[bytes, Preprocessing]:
    """A damaged file, and how it is to be loaded."""
    chance = random.Random(f"kernel:{seed}:{number}")
    method = chance.choice(METHODS)
    views = 1 if method == "stretch-nearest" else chance.choice((1, 1, 4))
    size = chance.choice((1, 7, 16, 32))
    how = Preprocessing(method=method, size=size, views=views, max_pixels=MAX_PIXELS)
    if chance.random() < 0.4:
        return damaged(files, seed=seed, number=number), how
    data = bytearray(chance.choice(files))
    scan = data.index(b"\xff\xda")
    low = chance.choice((2, scan, scan + 12))  # most flips in the header end the picture
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        data[chance.randrange(low, len(data))] ^= 1 << chance.randrange(8)
    return bytes(data), how


def is_taken(data: bytes, how: Preprocessing, *, plain: bool = False) -> bool:
    """Whether the kernel takes the file.

    Raises:
        AssertionError: it does, and the decoders do not, or come to something else.
    """
    found = quantlabel_native.load_jpeg(
        data,
        size=how.size,
        method=how.method,
        views=how.views,
        max_pixels=how.max_pixels,
        plain=plain,
    )
    if found is None:
        return False
    try:
        expected = load(data, how, kernel="python", colour="ignore")
    except ImageError as error:
        raise AssertionError(f"taken, although {error}") from error
    if bytes(found[0]) != expected.pixels.tobytes():
        raise AssertionError("other pixels")
    if (*found[1:], "JPEG") != expected[1:4]:
        raise AssertionError(f"{found[1:]} instead of {expected[1:]}")
    managed = [load(data, how, kernel=kernel) for kernel in ("auto", "python")]
    if managed[0].pixels.tobytes() != managed[1].pixels.tobytes():
        raise AssertionError(f"other colours, {managed[1].colour}")
    return True


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints how many files were taken, and each that was taken wrongly."""
    parser = argparse.ArgumentParser(description="Damaged JPEG files for the compiled kernel.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--save", type=Path, help="a folder for the files; then nothing is loaded")
    options = parser.parse_args(arguments)
    files = corpus()
    if options.save:
        options.save.mkdir(parents=True, exist_ok=True)
        for number in range(options.first, options.first + options.count):
            data, _ = one(files, seed=options.seed, number=number)
            (options.save / f"{number}.jpg").write_bytes(data)
        return
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # what libraries have to say of such files
    taken = wrong = 0
    for number in range(options.first, options.first + options.count):
        data, how = one(files, seed=options.seed, number=number)
        try:
            taken += is_taken(data, how, plain=number % 4 == 0)
        except AssertionError as error:
            wrong += 1
            print(f"seed {options.seed}, number {number}, {how}: {error}", flush=True)
    print(f"{options.count} files, {taken} taken, {wrong} of them wrongly", flush=True)


if __name__ == "__main__":
    main()
