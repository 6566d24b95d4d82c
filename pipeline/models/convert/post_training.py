"""Quantizes a plain float network after its training, as its publisher recommends for TensorFlow 2.

The scales of the activations come from a sample of pictures, those of the weights are one for each
channel: with one for a whole tensor, the way of networks quantized in training, nothing would be
left of a network that was not trained for it. TensorFlow's own converter does it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from tensorflow.lite.python.convert_phase import ConverterError

from pipeline.models.convert.bias_correction import corrected
from pipeline.models.float_module.float_network import FloatNetwork
from pipeline.models.float_module.graph import FloatModule
from pipeline.models.tflite import flatbuffer
from pipeline.models.tflite.graph import PIXEL
from pipeline.models.tflite.two_head import name_heads, two_head
from transforms.errors import one_line
from transforms.network.pixel_values import PixelValues
from transforms.records import Pixels

PICTURES: Final = 200
"""At most; TensorFlow's guide suggests a hundred to five hundred."""

CONVERTER_ERRORS: Final = (ConverterError, tf.errors.OpError, ValueError, RuntimeError)
"""What TensorFlow's converter raises at a graph that it does not take."""


def refusal(error: Exception) -> str:
    """What the converter says, without the graph that it prints behind."""
    return one_line(str(error).strip().partition("\n")[0]) or type(error).__name__


_TAKEN: Final = PixelValues(dtype="float32", mean=(PIXEL.zero_point,), std=(1 / PIXEL.scale,))
"""What the float network is fed: the values that the tflite makes of the bytes."""


def quantize(network: FloatNetwork, pictures: Iterable[Pixels]) -> bytes:
    """Converts a network, whose own ranges, if any, are not looked at.

    Args:
        network: To quantize.
        pictures: A representative sample, uint8[size, size, 3] each; the first `PICTURES` of it.

    Returns:
        A tflite file: input uint8[n, size, size, 3] as of the published files, outputs
        uint8[n, 1, 1, 1001] logits and uint8[n, 1, 1, k] features; within, int8.

    Raises:
        UserError: The converter fails.
    """
    sample = list(itertools.islice(pictures, PICTURES))
    module = FloatModule(network.without_ranges())
    spec = tf.TensorSpec([None, network.size, network.size, 3], tf.float32, "input")

    def heads(pixels: Any) -> dict[str, Any]:
        found = module.layers(pixels, None)
        return {"logits": found["logits"], "features": found["features"]}

    function = tf.function(heads, input_signature=[spec]).get_concrete_function()
    plain = tf.lite.TFLiteConverter.from_concrete_functions([function], module).convert()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function], module)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    # Without this what has no int8 kernel would stay float in silence.
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.representative_dataset = _representative(sample)
    converter.inference_input_type = converter.inference_output_type = tf.uint8
    return _named(corrected(converter.convert(), plain, sample, _TAKEN))


def _representative(
    pictures: Iterable[Pixels],
) -> Callable[[], Iterator[list[npt.NDArray[np.float32]]]]:
    """Batches of one picture, in the values that the tflite makes of its bytes.

    Two pixels of the first become black and white, so that the scale of the input is the published
    one, 1/128: the bytes are fed as they are.
    """

    def batches() -> Iterator[list[npt.NDArray[np.float32]]]:
        for number, picture in enumerate(pictures):
            values = picture.copy()
            if not number:
                values[0, 0], values[0, 1] = 0, 255
            yield [_TAKEN.encode(values)[np.newaxis]]

    return batches


def _named(tflite: bytes) -> bytes:
    """Gives the input and the heads their published names, by which everything here finds them."""
    model = flatbuffer.read(tflite)
    outputs = model.signatureDefs[0].outputs
    name_heads(model, **{output.name.decode(): output.tensorIndex for output in outputs})
    model.description = "quantlabel export, quantized after training"
    return two_head(flatbuffer.write(model))
