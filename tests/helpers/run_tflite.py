"""Runs a tflite file the plain way, as a reference for tests."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from ai_edge_litert.interpreter import Interpreter


def run_tflite(tflite: bytes, pictures: npt.NDArray[np.uint8]) -> list[npt.NDArray[Any]]:
    """Every output for a batch of pictures uint8[n, size, size, 3], each as [n, length]."""
    interpreter = Interpreter(model_content=tflite, num_threads=1)
    (pixels,) = interpreter.get_input_details()
    if len(pictures) != pixels["shape"][0]:
        # Strict: only a dimension that the file declares as variable may change.
        interpreter.resize_tensor_input(pixels["index"], pictures.shape, strict=True)
    interpreter.allocate_tensors()
    interpreter.set_tensor(pixels["index"], pictures)
    interpreter.invoke()
    outputs = interpreter.get_output_details()
    return [
        interpreter.get_tensor(output["index"]).reshape(len(pictures), -1) for output in outputs
    ]


def plain_pictures(size: int) -> npt.NDArray[np.uint8]:
    """Eight pictures of one colour each, uint8[8, size, size, 3]: black, grey, white, red, ..."""
    colours = np.array(
        [
            *([0, 0, 0], [128, 128, 128], [255, 255, 255], [255, 0, 0]),
            *([0, 255, 0], [0, 0, 255], [255, 255, 0], [40, 160, 220]),
        ],
        np.uint8,
    )
    return np.ascontiguousarray(np.broadcast_to(colours[:, None, None, :], (8, size, size, 3)))
