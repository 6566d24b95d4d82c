"""Between a quantized tflite and the float network, both ways."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

from pipeline.models.float_module.float_network import (
    FloatLayer,
    FloatNetwork,
    Range,
    dequantize,
    quantize,
)
from pipeline.models.tflite import flatbuffer
from pipeline.models.tflite.architecture import Layer, architecture
from pipeline.models.tflite.graph import PIXEL, Quantization, QuantizedLayer, build
from pipeline.models.tflite.two_head import two_head
from transforms.errors import UserError

_DESCRIPTION = "quantlabel export"
_DTYPES = {schema.TensorType.UINT8: np.uint8, schema.TensorType.INT32: np.int32}
_EXPECTED = (
    "Expected a MobileNet V1 quantized in training, such as mobilenet_v1_0.25_128_quant: one scale "
    "for each tensor."
)


def from_tflite(tflite: bytes) -> FloatNetwork:
    """Dequantizes a tflite; the ranges are those of its codes, so quantizing again loses nothing.

    Args:
        tflite: A quantized MobileNet V1, as published or rewritten by `two_head`.

    Raises:
        UserError: It is something else, or was quantized after its training.
    """
    graph = _Reader(flatbuffer.read(two_head(tflite)))
    layers = tuple(graph.layers())
    return FloatNetwork(graph.multiplier, graph.size, layers)


def to_tflite(network: FloatNetwork) -> bytes:
    """Quantizes a network whose ranges are known.

    Returns:
        A tflite file: input uint8[n, size, size, 3], outputs uint8[n, 1, 1, 1001] logits and
        uint8[n, 1, 1, k] features. The same network gives the same bytes.

    Raises:
        ValueError: A range is unknown (see `FloatNetwork.is_quantized`).
    """
    layers = [layer.layer for layer in network.layers]
    return two_head(build(layers, list(_quantized(network)), description=_DESCRIPTION))


class _Reader:
    """The first graph of a rewritten tflite, operator by operator."""

    def __init__(self, model: schema.ModelT) -> None:
        self._model = model
        self._graph = model.subgraphs[0]
        pixels, features = self._graph.inputs[0], self._graph.outputs[1]
        self.size = int(self._graph.tensors[pixels].shape[1])
        self.multiplier = int(self._graph.tensors[features].shape[3]) / 1024
        if self._quantization(pixels) != PIXEL:
            raise self._unexpected(pixels)

    def layers(self) -> Iterator[FloatLayer]:
        expected = architecture(multiplier=self.multiplier, size=self.size)
        # Convolutions take input, weights and bias; the pool takes one.
        weighted = [o for o in self._graph.operators if len(flatbuffer.indices(o.inputs)) == 3]
        if len(weighted) != len(expected):
            raise UserError(f"it has {len(weighted)} convolutions, not 28. {_EXPECTED}")
        for layer, operator in zip(expected, weighted, strict=True):
            yield self._layer(layer, operator)

    def _layer(self, layer: Layer, operator: schema.OperatorT) -> FloatLayer:
        _, weights, bias = flatbuffer.indices(operator.inputs)
        (output,) = flatbuffer.indices(operator.outputs)
        shape = [1, layer.kernel, layer.kernel, layer.depth]
        if not layer.depthwise:
            shape = [layer.depth, layer.kernel, layer.kernel, layer.channels]
        values = self._constant(weights, shape)
        axes = (1, 2, 3, 0)  # [depth, rows, columns, channels] or [1, rows, columns, depth]
        return FloatLayer(
            layer=layer,
            weights=np.ascontiguousarray(values.transpose(axes)),
            bias=self._constant(bias, [layer.depth]),
            weight_range=Range.of(self._quantization(weights), narrow=True),
            output_range=Range.of(self._quantization(output), narrow=False),
        )

    def _constant(self, index: int, shape: list[int]) -> npt.NDArray[np.float32]:
        tensor = self._graph.tensors[index]
        data = self._model.buffers[tensor.buffer].data
        if tensor.type not in _DTYPES or data is None or flatbuffer.indices(tensor.shape) != shape:
            raise self._unexpected(index)
        codes: npt.NDArray[Any] = np.frombuffer(bytes(data), _DTYPES[tensor.type])
        return dequantize(codes.reshape(shape), self._quantization(index))

    def _quantization(self, index: int) -> Quantization:
        found = flatbuffer.quantization(self._graph.tensors[index])
        if found is None:
            raise self._unexpected(index)
        return Quantization(*found)

    def _unexpected(self, index: int) -> UserError:
        tensor = self._graph.tensors[index]
        quantization = flatbuffer.quantization(tensor)
        return UserError(
            f"its tensor {flatbuffer.summary(tensor)} has scale and zero point "
            f"{quantization or 'of its own kind'}. {_EXPECTED}"
        )


def _quantized(network: FloatNetwork) -> Iterator[QuantizedLayer]:
    source = PIXEL
    for content in network.layers:
        if content.weight_range is None or content.output_range is None:
            raise ValueError(f"{content.layer.name} has no range")
        weights = content.weight_range.quantization(narrow=True)
        output = content.output_range.quantization(narrow=False)
        codes = quantize(content.weights, weights, narrow=True).transpose(3, 0, 1, 2)
        step = source.scale * weights.scale
        yield QuantizedLayer(
            codes=np.ascontiguousarray(codes),
            weights=weights,
            bias=np.rint(content.bias.astype(np.float64) / step).astype(np.int32),
            output=output,
        )
        source = output
