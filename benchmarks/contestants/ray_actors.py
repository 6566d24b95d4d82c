"""Ray Data as its guide to offline batch inference shows it: read_images, a class in actors.

Usage: ray_actors.py FOLDER OUTPUT MODEL
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import ray
from ai_edge_litert.interpreter import Interpreter

SIZE = 128


class Labeller:
    """The network, loaded once an actor."""

    def __init__(self, model: str) -> None:
        self.interpreter = Interpreter(model_path=model, num_threads=1)
        self.interpreter.allocate_tensors()
        self.input = self.interpreter.get_input_details()[0]["index"]
        self.output = self.interpreter.get_output_details()[0]["index"]

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """The published file takes one picture at a time."""
        scores = np.stack([self.scores(pixels) for pixels in batch["image"]])
        best = scores.argmax(axis=1)
        return {"path": batch["path"], "class_id": best, "score": scores.max(axis=1) / 256}

    def scores(self, pixels: Any) -> Any:
        """uint8[SIZE, SIZE, 3] to uint8[1001]."""
        self.interpreter.set_tensor(self.input, pixels[np.newaxis])
        self.interpreter.invoke()
        return self.interpreter.get_tensor(self.output)[0]


def main() -> None:
    """Labels a folder."""
    folder, output, model = sys.argv[1:]
    pictures = ray.data.read_images(folder, size=(SIZE, SIZE), mode="RGB", include_paths=True)
    labelled = pictures.map_batches(
        Labeller,
        fn_constructor_args=(model,),
        # One actor: each holds a core, and on two cores a second one would leave none to read with.
        compute=ray.data.ActorPoolStrategy(size=1),
        batch_size=64,
    )
    labelled.write_parquet(output)


if __name__ == "__main__":
    main()
