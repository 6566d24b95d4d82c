"""Decodes damaged files of the formats whose decoders run in helper processes.

    python -m tests.helpers.format_fuzz --seed 7 --count 100000
    python -m tests.helpers.format_fuzz --seed 7 --first 123 --save picture.bin

Each file has one answer, a picture or a reason, whatever becomes of its decoder; how many there are
of each, the longest time, and the most memory that a helper has taken are printed. A file depends
on its seed and number alone. Crashes and time-outs are named; they are rows like any other.
"""

from __future__ import annotations

import argparse
import collections
import resource
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pillow_jxl
from PIL import Image

from tests.helpers.encoded import encoded, orientation_exif, sample, waves
from tests.helpers.fuzz import damaged
from transforms.failures import ImageError
from transforms.images.decode import decode
from transforms.images.guarded import guard
from transforms.images.machine import cores

assert pillow_jxl  # it teaches Pillow to write JPEG XL

MAX_PIXELS = 1_000_000

_HEIF = ("10-bits", "444", "grey", "grid", "orientation-6", "plain", "second-is-primary")


def corpus() -> list[bytes]:
    """Files of every format in the variants that have code of their own in a decoder."""
    return [*_others(), *(sample(f"{name}.heic") for name in (*_HEIF, "transparent"))]


def _others() -> Iterator[bytes]:
    colour = Image.fromarray(waves(37, 41))
    clear = Image.fromarray(np.dstack([waves(37, 41), np.full((37, 41), 99, np.uint8)]))
    for image in (colour, colour.convert("L"), clear):
        yield encoded(image, "JPEG2000")
        yield encoded(image, "JPEG2000", no_jp2=True, tile_size=(16, 16), progression="RPCL")
        yield encoded(image, "AVIF", quality=80, exif=orientation_exif(6))
        yield encoded(image, "JXL", quality=80, use_container=True)
        yield encoded(image, "JXL", lossless=True)
    yield encoded(colour, "JPEG2000", irreversible=True, quality_layers=[20, 10])
    yield encoded(colour.convert("CMYK"), "JPEG2000")
    yield encoded(colour, "AVIF", subsampling="4:4:4", save_all=True, append_images=[colour])
    yield sample("orientation-6.jxl")


class Answer(NamedTuple):
    """What became of a file.

    Attributes:
        format: as sniffed, or - if it is no picture any more.
        said: `picture` or the reason.
        seconds: on the clock.
    """

    format: str
    said: str
    seconds: float


def answer(data: bytes) -> Answer:
    """Decodes one file."""
    start = time.perf_counter()
    try:
        picture = decode(data, max_pixels=MAX_PIXELS)
    except ImageError as error:
        return Answer("-", error.reason.value, time.perf_counter() - start)
    assert picture.pixels.shape == (picture.height, picture.width, 3)
    return Answer(picture.format, "picture", time.perf_counter() - start)


def main(arguments: Sequence[str] | None = None) -> None:
    """Decodes files and prints what became of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, default=1_000)
    parser.add_argument("--save", type=Path)
    options = parser.parse_args(arguments)
    files = corpus()
    numbers = range(options.first, options.first + options.count)
    if options.save:
        options.save.write_bytes(damaged(files, seed=options.seed, number=options.first))
        return
    counts: collections.Counter[str] = collections.Counter()
    bad: list[str] = []
    slowest = (0.0, -1)
    with ThreadPoolExecutor(cores()) as pool:
        answers = pool.map(
            lambda number: answer(damaged(files, seed=options.seed, number=number)), numbers
        )
        for number, found in zip(numbers, answers, strict=True):
            counts[f"{found.said} {found.format}".removesuffix(" -")] += 1
            slowest = max(slowest, (found.seconds, number))
            if found.said in ("decoder_crashed", "too_slow"):
                bad.append(f"{number}: {found.said}")
    guard.end_helpers()
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
    assert counts.total() == options.count
    for said, count in sorted(counts.items()):
        print(f"{count:8} {said}")
    print(f"slowest: {slowest[0]:.2f} s, file {slowest[1]}; most memory of a helper: {peak} MB")
    print(*bad, sep="\n")


if __name__ == "__main__":
    main()
