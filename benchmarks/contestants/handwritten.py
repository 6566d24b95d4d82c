"""What most people write first: Pillow and LiteRT in one process a core, one picture at a time.

Usage: handwritten.py FOLDER OUTPUT MODEL
"""

from __future__ import annotations

import multiprocessing
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from ai_edge_litert.interpreter import Interpreter
from PIL import Image

STATE: dict[str, Any] = {}
"""The interpreter of a process: a pool can hand it to its workers in no other way."""


def start(model: str) -> None:
    """Loads the model, once a process."""
    interpreter = Interpreter(model_path=model, num_threads=1)
    interpreter.allocate_tensors()
    STATE["interpreter"] = interpreter
    STATE["input"] = interpreter.get_input_details()[0]
    STATE["output"] = interpreter.get_output_details()[0]["index"]


def label(path: str) -> dict[str, Any]:
    """One picture to one row."""
    interpreter = STATE["interpreter"]
    _, height, width, _ = STATE["input"]["shape"]
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB").resize((width, height)))
    interpreter.set_tensor(STATE["input"]["index"], pixels[np.newaxis])
    interpreter.invoke()
    scores = interpreter.get_tensor(STATE["output"])[0]
    best = int(scores.argmax())
    return {"uri": path, "class_id": best, "score": float(scores[best]) / 256}


def main() -> None:
    """Labels a folder."""
    folder, output, model = sys.argv[1:]
    paths = sorted(str(path) for path in Path(folder).iterdir())
    with multiprocessing.Pool(initializer=start, initargs=(model,)) as pool:
        rows = pool.map(label, paths, chunksize=64)
    Path(output).mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), Path(output) / "predictions.parquet")


if __name__ == "__main__":
    main()
