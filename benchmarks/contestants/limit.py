"""The unavoidable work and nothing else: what no labeller on this machine can beat by much.

A thread a core, each with its own interpreter at batch 64: read, decode exactly, resample exactly,
infer. No ranking, no rows, no failures, no output.

Usage: limit.py FOLDER MODEL
"""

from __future__ import annotations

import io
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import simplejpeg
from ai_edge_litert.interpreter import Interpreter
from PIL import Image

from pipeline.models.tflite.two_head import two_head
from transforms.images.preprocess import preprocess

BATCH = 64


def decode(data: bytes) -> Any:
    """uint8[h, w, 3] by the fastest exact decoder; Pillow for what is no plain JPEG."""
    try:
        return simplejpeg.decode_jpeg(data, strict=True)
    except (KeyError, ValueError):
        return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def work(paths: list[Path], tflite: bytes) -> int:
    """What one thread does; returns how many pictures went through the network."""
    interpreter = Interpreter(model_content=tflite, num_threads=1)
    details = interpreter.get_input_details()[0]
    _, size, *_ = shape = [BATCH, *details["shape"][1:].tolist()]
    interpreter.resize_tensor_input(details["index"], shape)
    interpreter.allocate_tensors()
    rows = interpreter.tensor(details["index"])
    done = 0
    for start in range(0, len(paths), BATCH):
        batch = paths[start : start + BATCH]
        for row, path in enumerate(batch):
            rows()[row] = preprocess(decode(path.read_bytes()), size=size)
        interpreter.invoke()
        done += len(batch)
    return done


def main() -> None:
    """Works through a folder."""
    folder, model = sys.argv[1:]
    paths = sorted(Path(folder).iterdir())
    tflite = two_head(Path(model).read_bytes())
    threads = os.cpu_count() or 1
    with ThreadPoolExecutor(threads) as pool:
        shares = [paths[i::threads] for i in range(threads)]
        done = sum(pool.map(work, shares, [tflite] * threads))
    if done != len(paths):
        raise SystemExit(f"{done} of {len(paths)} pictures")


if __name__ == "__main__":
    main()
