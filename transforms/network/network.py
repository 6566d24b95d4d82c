"""What is known of a network: the one description that everybody who runs it goes by."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, Literal

from transforms.network.classes import Classes
from transforms.network.pixel_values import PixelValues
from transforms.network.scoring import Outputs

NetworkKind = Literal["tflite", "savedmodel"]


_BYTES = PixelValues()


@dataclasses.dataclass(frozen=True)
class Network:
    """A network ready to run, with the identity that goes into everything a run writes.

    Attributes:
        name: how the user called it, or the file's name.
        kind: what `content` is: `tflite`, or `savedmodel` for TensorFlow 2.
        sha256: of the tflite as it was published or given, before it was rewritten; of a SavedModel
            the hash over all of its files (`pipeline.models.float_module.folder`).
        content: a flatbuffer with one input [n, rows, columns, channels] and the outputs [classes,
            features], or the first of them alone, or of a network without classes the features; or
            a zip archive of the SavedModel's folder.
        input_size: rows of the input, in pixels, and columns where `input_columns` is None.
        feature_size: length of the feature vector, 0 without one.
        classes: that it tells apart, in the order of its outputs.
        path: a local file with `content`, for workers on this machine. A pickle leaves out what is
            there: Beam compresses it twice and decompresses it four times before the first picture.
        pixel_values: how pixels become what the input holds.
        outputs: what it gives for each class, if it has classes.
        embedding_tensor: name of the tensor with the feature vector; empty without one.
        batches: whether `content` is known to give the same for many pictures at once. If not, one
            runs at a time, unless `transforms.network.litert` proves it where it loads.
        input_columns: of an input that is no square, else None.
        note: what its user should know of how it was made ready; mostly nothing.
    """

    name: str
    kind: NetworkKind
    sha256: str
    content: bytes = dataclasses.field(repr=False)
    input_size: int
    feature_size: int
    classes: Classes
    path: str | None = None
    pixel_values: PixelValues = _BYTES
    outputs: Outputs = "logits"
    embedding_tensor: str = ""
    batches: bool = True
    input_columns: int | None = None
    note: str = ""

    def __getstate__(self) -> dict[str, Any]:
        """All but what `path` holds."""
        return {**self.__dict__, "content": b""} if self.path else self.__dict__

    @property
    def input_shape(self) -> tuple[int, int]:
        """Rows and columns of the input."""
        return self.input_size, self.input_columns or self.input_size

    def read(self) -> bytes:
        """The content, wherever it is."""
        return Path(self.path).read_bytes() if self.path else self.content
