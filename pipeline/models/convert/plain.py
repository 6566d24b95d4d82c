"""Any float classifier of TensorFlow 2, quantized after training, and held against itself."""

from __future__ import annotations

import collections
import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from pipeline.models.convert.bias_correction import corrected
from pipeline.models.convert.post_training import CONVERTER_ERRORS, PICTURES, refusal
from pipeline.models.float_module import folder, savedmodel
from pipeline.models.hints import NetworkHints
from pipeline.models.tflite import flatbuffer
from pipeline.models.tflite.classifier import find_classifier, rewrite
from pipeline.models.tflite.input_values import pixel_values
from pipeline.models.tflite.metadata import Metadata
from transforms.errors import UserError
from transforms.network.litert import LiteRtModel
from transforms.network.pixel_values import PixelValues
from transforms.network.ranking import top_classes
from transforms.records import Pixels

_LOGITS: Final = NetworkHints(outputs="logits", embedding_tensor="none")

_CLOSE: Final = 3


@dataclasses.dataclass(frozen=True)
class Agreement:
    """How often a quantized network says what the float one says.

    Attributes:
        pictures: compared.
        first: of the same first class.
        close: whose float first class is among the three best.
        differing: float class, quantized class and how many pictures, most first.
    """

    pictures: int
    first: int
    close: int
    differing: tuple[tuple[int, int, int], ...]


def is_plain(model: str) -> bool:
    """Whether a path holds a float model that is none of this package's or of the published."""
    path = Path(model).expanduser()
    kind = folder.kind_of(path)
    if kind is not folder.Kind.SAVED_MODEL:
        return kind is folder.Kind.KERAS
    return savedmodel.CLASSIFICATION not in savedmodel.signatures(path)


def input_shape(model: str) -> tuple[int, int]:
    """Rows and columns that a plain model takes, in pixels.

    Raises:
        UserError: it takes no pictures of a fixed size, or cannot be loaded.
    """
    shape = _loaded(model).function.inputs[0].shape.as_list()
    if len(shape) != 4 or not shape[1] or not shape[2] or shape[3] != 3:
        raise UserError(f"{model}: its input is {shape}; expected [batch, rows, columns, 3]")
    return int(shape[1]), int(shape[2])


def quantize_plain(model: str, pictures: Iterable[Pixels]) -> tuple[bytes, Agreement]:
    """Converts a plain model.

    Args:
        model: path of a SavedModel's folder, a .keras or an .h5 file.
        pictures: a representative sample, uint8[rows, columns, 3] each; the first `PICTURES` of it.

    Returns:
        A tflite file with the input uint8[n, rows, columns, 3], the bytes of the pixels, and the
        output int8[n, classes], logits; and how it compares over the same pictures.

    Raises:
        UserError: it is no classifier of pictures, or the converter fails.
    """
    sample = list(itertools.islice(pictures, PICTURES))
    loaded = _loaded(model)
    function = loaded.function
    try:
        plain = tf.lite.TFLiteConverter.from_concrete_functions([function]).convert()
        values = _values(plain)
        quantized = corrected(_quantized(function, sample, values), plain, sample, values)
    except CONVERTER_ERRORS as error:
        raise UserError(f"{model}: cannot be converted: {refusal(error)}") from error
    float_logits, logits = (
        LiteRtModel(_ending_in_logits(tflite), batch_size=1, pixel_values=taken).run(sample)[0]
        for tflite, taken in ((plain, values), (quantized, PixelValues()))
    )
    return _ending_in_logits(quantized), _agreement(float_logits, logits)


class _Loaded(NamedTuple):
    """A model as a function of one batch of float pictures, and what owns its variables."""

    function: Any
    owner: Any


def _loaded(model: str) -> _Loaded:
    path = Path(model).expanduser()
    if folder.kind_of(path) is not folder.Kind.KERAS:
        saved = savedmodel.load(path)
        signatures = saved.signatures
        name = next((name for name in savedmodel.SERVED if name in signatures), None)
        if name is None:
            raise UserError(f"{model}: it has no signature {' or '.join(savedmodel.SERVED)}")
        return _Loaded(signatures[name], saved)
    try:
        keras = tf.keras.models.load_model(str(path), compile=False)
    except (OSError, ValueError, TypeError) as error:
        raise UserError(f"{model}: Keras cannot load it: {str(error).splitlines()[0]}") from error
    spec = tf.TensorSpec([None, *keras.input_shape[1:]], tf.float32, "images")
    function = tf.function(lambda images: keras(images, training=False))
    return _Loaded(function.get_concrete_function(spec), keras)


def _values(tflite: bytes) -> PixelValues:
    model = flatbuffer.read(tflite)
    source = find_classifier(model).source
    return pixel_values(model, source, Metadata(), None).values


def _quantized(function: Any, sample: Sequence[Pixels], values: PixelValues) -> bytes:
    def batches() -> Iterator[list[npt.NDArray[Any]]]:
        for number, picture in enumerate(sample):
            pixels = picture.copy()
            if not number:  # so that the codes of the input are the bytes
                pixels[0, 0], pixels[0, 1] = 0, 255
            yield [values.encode(pixels)[np.newaxis]]

    converter = tf.lite.TFLiteConverter.from_concrete_functions([function])
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    # Without this what has no int8 kernel would stay float in silence.
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.representative_dataset = batches
    converter.inference_input_type = converter.inference_output_type = tf.uint8
    converted: bytes = converter.convert()
    return converted


def _ending_in_logits(tflite: bytes) -> bytes:
    """The same without its softmax, whose steps of 1/256 are too coarse to rank by."""
    model = flatbuffer.read(tflite)
    return rewrite(model, find_classifier(model, _LOGITS))


def _agreement(expected: npt.NDArray[np.float32], found: npt.NDArray[np.float32]) -> Agreement:
    first, best = expected.argmax(axis=1), top_classes(found, k=min(_CLOSE, found.shape[1]))
    pairs = zip(first.tolist(), best[:, 0].tolist(), strict=True)
    differing = collections.Counter(pair for pair in pairs if pair[0] != pair[1])
    return Agreement(
        pictures=len(first),
        first=int((first == best[:, 0]).sum()),
        close=int((first[:, None] == best).any(axis=1).sum()),
        differing=tuple((*pair, count) for pair, count in differing.most_common()),
    )
