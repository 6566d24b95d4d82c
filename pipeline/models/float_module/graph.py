"""The float network as a TensorFlow module: variables, forward pass, simulated quantization.

Simulated literally, as `fake_quant(relu6(conv(x, fake_quant(w)) + b))`, two implementations of this
network agree on the first class of 97 to 98 pictures in 100, no more: sums of rounded numbers fall
on one side of a rounding boundary here and on the other there, and the difference grows from layer
to layer. So each layer sums whole numbers of steps, which float32 does exactly below 2**24 (sums
reach 2**18), and then rounds them as the kernels of the tflite do: times one float32 factor, halves
to even. What comes out is the tflite's, code for code (docs/module.md).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from pipeline.models.float_module import variables
from pipeline.models.float_module.float_network import UNIT_RANGE, FloatLayer, FloatNetwork, Range
from pipeline.models.tflite.architecture import Layer, architecture
from pipeline.models.tflite.graph import PIXEL


class _FakeQuant(tf.Module):  # type: ignore[misc]  # tensorflow has no type hints
    """Rounds values to those of 8-bit codes."""

    def __init__(self, bounds: Range, names: variables.RangeNames, *, narrow: bool) -> None:
        super().__init__()
        self._bounds = [_variable(value, name) for value, name in zip(bounds, names, strict=True)]
        self._narrow = narrow
        self.scale = np.float32(bounds.quantization(narrow=narrow).scale)

    def __call__(self, x: Any) -> Any:
        return tf.quantization.fake_quant_with_min_max_vars(
            x, *self._bounds, num_bits=8, narrow_range=self._narrow
        )

    def steps(self, x: Any) -> Any:
        """The same in whole steps from 0, exact in float32."""
        return tf.round(self(x) / self.scale)


class _Convolution(tf.Module):  # type: ignore[misc]
    """One layer with its variables, named as TF-Slim and contrib.quantize name them."""

    def __init__(self, content: FloatLayer) -> None:
        super().__init__()
        self.layer = content.layer
        names = variables.names(content.layer)
        self._weights = _variable(content.weights, names.weights)
        self._bias = _variable(content.bias, names.biases)
        self._weight_quant = _fake_quant(content.weight_range, names.weight_range, narrow=True)
        self.output_quant = _fake_quant(content.output_range, names.output_range, narrow=False)

    def __call__(self, x: Any, scale: np.float32 | None) -> Any:
        """Float32[n, rows, rows, depth] of an input whose values are multiples of `scale`."""
        if self._weight_quant is None or self.output_quant is None or scale is None:
            return self._rectified(_convolved(x, self._weights, self.layer) + self._bias)
        step = scale * self._weight_quant.scale
        kernel = self._weight_quant.steps(self._weights)
        # In float64: the quotient of two float32 may fall on the other side of a half.
        bias = tf.round(tf.cast(self._bias, tf.float64) / np.float64(step))
        # round: the values are multiples of the step but for the last bit.
        sums = _convolved(tf.round(x / scale), kernel, self.layer) + tf.cast(bias, tf.float32)
        rounded = tf.round(sums * (step / self.output_quant.scale)) * self.output_quant.scale
        return self.output_quant(self._rectified(rounded))

    def _rectified(self, x: Any) -> Any:
        return x if self.layer.is_logits else tf.nn.relu6(x)


class FloatModule(tf.Module):  # type: ignore[misc]
    """A MobileNet V1 in float.

    Args:
        network: Its numbers.
    """

    def __init__(self, network: FloatNetwork) -> None:
        super().__init__()
        self._size = network.size
        self._convolutions = [_Convolution(layer) for layer in network.layers]
        unit = UNIT_RANGE if network.input_range == "unit" else None
        self._input_quant = _fake_quant(unit, variables.INPUT_RANGE, narrow=False)

    def activations(self, images: Any) -> dict[str, Any]:
        """Runs the network.

        Args:
            images: float32[n, size, size, 3] in [0,1].

        Returns:
            The output of every layer by name (`activation_names`), float32[n, rows, rows, depth];
            of `features` float32[n, 1, 1, k], of `logits` float32[n, 1, 1, 1001].
        """
        return self.layers(*self._preprocessed(images))

    def layers(self, x: Any, scale: np.float32 | None) -> dict[str, Any]:
        """The same of what the first convolution is fed, multiples of `scale` if it is known."""
        found = {}
        *feature_layers, logits = self._convolutions
        for convolution in feature_layers:
            x = found[convolution.layer.name] = convolution(x, scale)
            quant = convolution.output_quant
            scale = None if quant is None else quant.scale
        x = found["features"] = self._pooled(x, scale)
        found["logits"] = logits(x, scale)
        return found

    def heads(self, images: Any) -> tuple[Any, Any]:
        """Logits float32[n, 1001] and features float32[n, k] of images as in `activations`."""
        found = self.activations(images)
        return tf.squeeze(found["logits"], [1, 2]), tf.squeeze(found["features"], [1, 2])

    def _preprocessed(self, images: Any) -> tuple[Any, np.float32]:
        """What the first convolution is fed and the step of it, see `InputRange`."""
        images = tf.ensure_shape(images, [None, self._size, self._size, 3])
        if self._input_quant is None:
            return (images * 255 - PIXEL.zero_point) * PIXEL.scale, np.float32(PIXEL.scale)
        return self._input_quant(images * 2 - 1), self._input_quant.scale

    def _pooled(self, x: Any, scale: np.float32 | None) -> Any:
        """The mean over the map. The tflite rounds it, halves up; the published module does not."""
        if scale is None or self._input_quant is not None:
            return tf.reduce_mean(x, [1, 2], keepdims=True)
        mean = tf.reduce_mean(tf.round(x / scale), [1, 2], keepdims=True)
        return tf.floor(mean + 0.5) * scale


def activation_names() -> tuple[str, ...]:
    """Names of what the layers give, in order: 27 convolutions, features, logits."""
    *feature_layers, _ = architecture(multiplier=1.0, size=224)
    return (*(layer.name for layer in feature_layers), "features", "logits")


def _variable(value: Any, name: str) -> Any:
    return tf.Variable(value, trainable=False, name=name, dtype=tf.float32)


def _fake_quant(
    bounds: Range | None, names: variables.RangeNames, *, narrow: bool
) -> _FakeQuant | None:
    return None if bounds is None else _FakeQuant(bounds, names, narrow=narrow)


def _convolved(x: Any, weights: Any, layer: Layer) -> Any:
    if layer.depthwise:
        return tf.nn.depthwise_conv2d(x, weights, [1, layer.stride, layer.stride, 1], "SAME")
    return tf.nn.conv2d(x, weights, layer.stride, "SAME")
