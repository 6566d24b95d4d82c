"""Beam's own example of RunInference on images with TensorFlow, its output turned to Parquet.

After apache_beam/examples/inference/tensorflow_imagenet_segmentation.py: names from a text file, a
preprocessing function on the handler, TFModelHandlerTensor as it comes. Keys are added, as Beam's
guide shows, so that a row can say which picture it is about. The original's way to fetch pictures,
keras.utils.get_file, is left out: here it would only copy each of them.

Usage: beam_example.py FOLDER OUTPUT MODEL.keras
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
import tensorflow as tf
from apache_beam.ml.inference.base import KeyedModelHandler, PredictionResult, RunInference
from apache_beam.ml.inference.tensorflow_inference import TFModelHandlerTensor
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from PIL import Image

SIZE = 128
SCHEMA = pa.schema([("uri", pa.string()), ("class_id", pa.int32()), ("score", pa.float32())])


def read_image(name: str) -> tuple[str, Any]:
    """A path to its pixels, float32[SIZE, SIZE, 3] in [0, 1]."""
    image = Image.open(name).convert("RGB").resize((SIZE, SIZE))
    pixels = np.array(image) / 255.0
    return name, tf.cast(tf.convert_to_tensor(pixels), dtype=tf.float32)


def to_row(element: tuple[str, PredictionResult]) -> dict[str, Any]:
    """The best class of a result."""
    name, result = element
    best = int(np.argmax(result.inference, axis=-1))
    return {"uri": name, "class_id": best, "score": float(result.inference[best])}


def main() -> None:
    """Labels a folder."""
    folder, output, model = sys.argv[1:]
    Path(output).mkdir(parents=True, exist_ok=True)
    names = Path(output) / "names.txt"
    names.write_text("\n".join(sorted(str(path) for path in Path(folder).iterdir())))
    handler = KeyedModelHandler(TFModelHandlerTensor(model_uri=model))
    # What DirectRunner comes to on a machine that cannot download another runner.
    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        _ = (
            pipeline
            | beam.io.ReadFromText(str(names))
            | RunInference(handler.with_preprocess_fn(read_image))
            | beam.Map(to_row)
            | beam.io.WriteToParquet(f"{output}/predictions", SCHEMA, file_name_suffix=".parquet")
        )


if __name__ == "__main__":
    main()
