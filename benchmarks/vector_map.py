"""Measures the map of `quantlabel report`: its time, and how far it keeps neighbours.

    python -m benchmarks.vector_map --images FOLDER --images FOLDER --model FILE --count 100000

The first vectors are those of random crops of the pictures, mirrored or not, lighter or darker, so
that some thousand distinct ones can be made from some hundred; of their map trustworthiness is
told, scikit-learn's with 15 neighbours. For the time of a larger one, vectors are mixed from two
crops of a picture each, and some noise.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from benchmarks import pictures
from pipeline.explore.neighbours import nearest
from pipeline.explore.vector_map import NEIGHBOURS, vector_map
from pipeline.explore.vectors import Vectors
from transforms.images.machine import cores


def main(argv: Sequence[str] | None = None) -> None:
    """Measures and prints."""
    arguments = _parser().parse_args(argv)
    sources = [path for folder in arguments.images for path in pictures.find(folder)]
    vectors = crop_vectors(sources, arguments.model, count=arguments.crops)
    print(f"crops of {len(sources)} pictures, {cores()} cores")
    _measure(vectors, trusted=True)
    if arguments.count > arguments.crops:
        _measure(_mixed(vectors, pictures=len(sources), count=arguments.count), trusted=False)


def _parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m benchmarks.vector_map", description=__doc__)
    made.add_argument("--images", required=True, action="append", metavar="FOLDER")
    made.add_argument("--model", required=True, metavar="FILE")
    made.add_argument("--count", type=int, default=100_000, metavar="N")
    made.add_argument("--crops", type=int, default=5_000, metavar="N")
    return made


def crop_vectors(sources: Sequence[Path], model: str, *, count: int) -> Vectors:
    """Feature vectors of length 1 of `count` crops, float32[count, feature size]."""
    from quantlabel import load_model, unit_range

    loaded = load_model(model)
    random = np.random.default_rng(0)
    images = [Image.open(path).convert("RGB") for path in sources]
    crops = (
        _crop(images[at % len(images)], random, loaded.expected_image_size) for at in range(count)
    )
    found = [
        loaded.image_feature_vector(unit_range(batch)).astype(np.float32)
        for batch in _batches(crops, size=256)
    ]
    vectors = np.concatenate(found)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def _mixed(vectors: Vectors, *, pictures: int, count: int) -> Vectors:
    """More vectors, each between two of one picture, a tenth of its length noise."""
    random = np.random.default_rng(1)
    first = random.integers(0, len(vectors), count)
    second = (first + pictures * random.integers(1, 10, count)) % len(vectors)
    share = random.random((count, 1), np.float32)
    mixed = share * vectors[first] + (1 - share) * vectors[second]
    noise = random.standard_normal(mixed.shape, np.float32) * np.float32(
        0.1 / mixed.shape[1] ** 0.5
    )
    mixed += noise
    return np.asarray(mixed / np.linalg.norm(mixed, axis=1, keepdims=True), np.float32)


def _crop(
    image: Image.Image, random: np.random.Generator, size: tuple[int, int]
) -> npt.NDArray[np.uint8]:
    side = min(image.size) * random.uniform(0.6, 1.0)
    left, top = (random.uniform(0, length - side) for length in image.size)
    box = (left, top, left + side, top + side)
    pixels = np.asarray(image.resize(size, Image.Resampling.BILINEAR, box=box))
    pixels = pixels[:, ::-1] if random.random() < 0.5 else pixels
    return np.asarray((pixels * random.uniform(0.75, 1.25)).clip(0, 255), np.uint8)


def _batches(
    crops: Iterator[npt.NDArray[np.uint8]], *, size: int
) -> Iterator[npt.NDArray[np.uint8]]:
    batch: list[npt.NDArray[np.uint8]] = []
    for crop in crops:
        batch.append(crop)
        if len(batch) == size:
            yield np.stack(batch)
            batch = []
    if batch:
        yield np.stack(batch)


def _measure(vectors: Vectors, *, trusted: bool) -> None:
    started = time.perf_counter(), time.process_time()
    neighbours = nearest(vectors, k=NEIGHBOURS)
    found = time.perf_counter(), time.process_time()
    points = vector_map(vectors, neighbours)
    done = time.perf_counter(), time.process_time()
    line = f"{len(vectors):,}: neighbours {_seconds(started, found)}, map {_seconds(found, done)}"
    if trusted:
        from sklearn.manifold import trustworthiness

        trust = trustworthiness(vectors, points, n_neighbors=15, metric="cosine")
        line += f", trustworthiness {trust:.3f}"
    print(line, flush=True)


def _seconds(start: tuple[float, float], end: tuple[float, float]) -> str:
    return f"{end[0] - start[0]:.1f} s ({end[1] - start[1]:.1f} of a processor)"


if __name__ == "__main__":
    main()
