"""Daft as its guides show it: download, decode and resize as expressions, the model in a class.

Usage: daft_udf.py FOLDER OUTPUT MODEL
"""

from __future__ import annotations

import sys
from typing import Any

import daft
from ai_edge_litert.interpreter import Interpreter
from daft import DataType, col
from daft.functions import decode_image, download, resize

# Daft imports tensorflow where it finds it, which takes seconds, only to compare a type. Here it is
# installed for another contestant's sake, so it is hidden, as if it were not.
sys.modules["tensorflow"] = None  # type: ignore[assignment]

SIZE = 128
PREDICTION = DataType.struct({"class_id": DataType.int32(), "score": DataType.float32()})


# One at a time, because Daft shares the object among threads and an interpreter is not thread-safe.
@daft.cls(max_concurrency=1)
class Labeller:
    """The network; Daft makes one where it runs one."""

    def __init__(self, model: str) -> None:
        self.interpreter = Interpreter(model_path=model, num_threads=1)
        self.interpreter.allocate_tensors()
        self.input = self.interpreter.get_input_details()[0]["index"]
        self.output = self.interpreter.get_output_details()[0]["index"]

    @daft.method.batch(  # type: ignore[untyped-decorator]
        return_dtype=PREDICTION, unnest=True, batch_size=64
    )
    def label(self, images: daft.Series) -> list[dict[str, Any]]:
        """The published file takes one picture at a time."""
        rows = []
        for pixels in images.to_pylist():
            self.interpreter.set_tensor(self.input, pixels[None])
            self.interpreter.invoke()
            scores = self.interpreter.get_tensor(self.output)[0]
            best = int(scores.argmax())
            rows.append({"class_id": best, "score": float(scores[best]) / 256})
        return rows


def main() -> None:
    """Labels a folder."""
    folder, output, model = sys.argv[1:]
    labeller = Labeller(model)
    pictures = daft.from_glob_path(f"{folder}/*")
    pictures = pictures.with_column("image", decode_image(download(col("path"))))
    pictures = pictures.with_column("image", resize(col("image"), SIZE, SIZE))
    pictures.select(col("path"), labeller.label(col("image"))).write_parquet(output)


if __name__ == "__main__":
    main()
