"""Where the time of quantlabel goes: each stage alone, on one thread, through the pure functions.

What the stages do not add up to is the rest of a run: Beam, garbage collection, threads that wait.
"""

from __future__ import annotations

import functools
import hashlib
import io
import itertools
import statistics
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

import numpy as np

from pipeline.models.tflite import load as tflite_load
from transforms.images.pixels import Scratch
from transforms.images.preprocess import load
from transforms.images.settings import MAX_BYTES
from transforms.inputs import listing
from transforms.inputs.picture_files import read_bytes
from transforms.network.litert import LiteRtModelHandler
from transforms.network.ranking import BATCH_SIZE
from transforms.records import Image, ImageRef, Prediction
from transforms.rows.formats import FORMATS
from transforms.rows.schema import prediction_table

STAGES = ("list", "read", "hash", "decode", "infer", "rank", "encode", "write")

_PASSES = 3

T = TypeVar("T")


class _Clock:
    """Sums processor time by stage."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(STAGES, 0.0)

    def __call__(self, stage: str, work: Callable[[], T]) -> T:
        start = time.process_time()
        result = work()
        self.seconds[stage] += time.process_time() - start
        return result


def profile(folder: Path, *, tflite: bytes, sample: int) -> dict[str, float]:
    """Milliseconds of processor time a picture that each stage takes, the median of three passes.

    Args:
        folder: of pictures that decode.
        tflite: the network as it was published.
        sample: how many pictures at most.

    Returns:
        A value for each of `STAGES`: decode is from bytes to the network's input, rank from logits
        to records, encode from records to Arrow, write from Arrow to sorted and compressed Parquet
        bytes.
    """
    passes = [_one_pass(folder, tflite=tflite, sample=sample) for _ in range(_PASSES)]
    return {stage: statistics.median(each[stage] for each in passes) for stage in STAGES}


def _one_pass(folder: Path, *, tflite: bytes, sample: int) -> dict[str, float]:
    clock = _Clock()
    listed = clock("list", lambda: list(listing.list_input(str(folder))))
    refs = [item for item in listed if isinstance(item, ImageRef)]
    clock.seconds["list"] *= min(sample, len(refs)) / len(refs)
    network = tflite_load.load(tflite, name="benchmark")
    handler = LiteRtModelHandler(network)
    model = handler.load_model()
    model.run([np.zeros((network.input_size, network.input_size, 3), np.uint8)])  # warms it up
    rows: list[Prediction] = []
    scratch = Scratch()
    for batch in _batches(refs[:sample], BATCH_SIZE):
        images = [_load(ref, clock, size=network.input_size, scratch=scratch) for ref in batch]
        clock("infer", functools.partial(model.run, [image.pixels for image in images]))
        results = clock("rank", functools.partial(handler.run_inference, images, model))
        rows += [result for result in results if isinstance(result, Prediction)]
    _write(rows, clock)
    # The handler runs the network and ranks in one call.
    clock.seconds["rank"] = max(0.0, clock.seconds["rank"] - clock.seconds["infer"])
    return {stage: seconds * 1000 / len(rows) for stage, seconds in clock.seconds.items()}


def _load(ref: ImageRef, clock: _Clock, *, size: int, scratch: Scratch) -> Image:
    data, _ = clock("read", lambda: read_bytes(ref.uri, max_bytes=MAX_BYTES))
    digest = clock("hash", lambda: hashlib.sha256(data).hexdigest())
    loaded = clock("decode", lambda: load(data, size=size, scratch=scratch))
    return Image(ref, digest, loaded.width, loaded.height, loaded.format, loaded.pixels)


def _write(rows: list[Prediction], clock: _Clock) -> None:
    table = clock("encode", lambda: prediction_table(rows))
    file = io.BytesIO()
    writer = FORMATS["parquet"](file)
    clock("write", lambda: writer.write(table.sort_by("uri")))
    clock("write", writer.close)


def _batches(items: Iterable[T], size: int) -> Iterable[list[T]]:
    iterator = iter(items)
    return iter(lambda: list(itertools.islice(iterator, size)), [])
