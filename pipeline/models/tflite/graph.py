"""Quantized layers to a tflite file in the form of the published ones, operator by operator."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

from pipeline.models.tflite import flatbuffer
from pipeline.models.tflite.architecture import Layer

_Code: Final = schema.BuiltinOperator
_Options: Final = schema.BuiltinOptions
# Options class -> code of the operator, code of the options; the order is that in the file.
_OPERATORS: Final = {
    schema.Pool2DOptionsT: (_Code.AVERAGE_POOL_2D, _Options.Pool2DOptions),
    schema.Conv2DOptionsT: (_Code.CONV_2D, _Options.Conv2DOptions),
    schema.DepthwiseConv2DOptionsT: (_Code.DEPTHWISE_CONV_2D, _Options.DepthwiseConv2DOptions),
    schema.ReshapeOptionsT: (_Code.RESHAPE, _Options.ReshapeOptions),
    schema.SoftmaxOptionsT: (_Code.SOFTMAX, _Options.SoftmaxOptions),
}

_TENSOR_TYPES: Final = {
    np.dtype(np.uint8): schema.TensorType.UINT8,
    np.dtype(np.int32): schema.TensorType.INT32,
}


@dataclasses.dataclass(frozen=True)
class Quantization:
    """real = scale * (code - zero_point), the same for a whole tensor."""

    scale: float
    zero_point: int = 0

    def packed(self) -> schema.QuantizationParametersT:
        """The same as the schema has it."""
        return schema.QuantizationParametersT(scale=[self.scale], zeroPoint=[self.zero_point])


PIXEL: Final = Quantization(1 / 128, 128)
"""Of the input, as published."""

_SCORE: Final = Quantization(1 / 256)  # as published


@dataclasses.dataclass(frozen=True)
class QuantizedLayer:
    """What a convolution of the file holds.

    Attributes:
        codes: Weights, uint8[depth, rows, columns, channels]; depthwise uint8[1, rows, columns,
            depth].
        weights: Quantization of the weights.
        bias: int32[depth], in steps of the input's scale times the weights'.
        output: Quantization of the output; its range is what rectifies.
    """

    codes: npt.NDArray[np.uint8]
    weights: Quantization
    bias: npt.NDArray[np.int32]
    output: Quantization


def build(
    layers: Sequence[Layer], quantized: Sequence[QuantizedLayer], *, description: str
) -> bytes:
    """Writes a network like the published files: 31 operators, down to the softmax.

    Args:
        layers: Of `pipeline.models.tflite.architecture`.
        quantized: The content of each.
        description: Stored in the file.

    Returns:
        A tflite file: input uint8[1, size, size, 3], output softmax uint8[1, 1001].
    """
    graph = _Graph()
    size = layers[0].rows * layers[0].stride
    pixels = x = graph.tensor("input", [1, size, size, 3], PIXEL)
    for layer, content in zip(layers, quantized, strict=True):
        if layer.is_logits:
            x = _pool(graph, x)
        x = _convolution(graph, x, layer, content)
    scores = _softmax(graph, x, quantized[-1].output)
    return flatbuffer.write(graph.model(inputs=[pixels], outputs=[scores], text=description))


@dataclasses.dataclass
class _Graph:
    """Tensors, their constants and the operators, in the order in which they are added."""

    tensors: list[schema.TensorT] = dataclasses.field(default_factory=list)
    buffers: list[schema.BufferT] = dataclasses.field(default_factory=lambda: [schema.BufferT()])
    operators: list[schema.OperatorT] = dataclasses.field(default_factory=list)

    def tensor(
        self,
        name: str,
        shape: Sequence[int],
        quantization: Quantization | None,
        data: npt.NDArray[Any] | None = None,
    ) -> int:
        """Adds a tensor and returns its index; without data it is an activation, uint8."""
        dtype = np.dtype(np.uint8) if data is None else data.dtype
        content = None if data is None else np.frombuffer(data.tobytes(), np.uint8)
        self.buffers.append(schema.BufferT(data=content))
        self.tensors.append(
            schema.TensorT(
                name=name,
                shape=list(shape),
                type=_TENSOR_TYPES[dtype],
                buffer=len(self.buffers) - 1,
                quantization=quantization and quantization.packed(),
            )
        )
        return len(self.tensors) - 1

    def operator(self, options: Any, *, inputs: list[int], output: int) -> None:
        """Adds an operator; the class of its options says which."""
        kind = list(_OPERATORS).index(type(options))
        self.operators.append(
            schema.OperatorT(
                opcodeIndex=kind,
                inputs=inputs,
                outputs=[output],
                builtinOptionsType=_OPERATORS[type(options)][1],
                builtinOptions=options,
            )
        )

    def quantization(self, tensor: int) -> Quantization:
        values = self.tensors[tensor].quantization
        return Quantization(float(values.scale[0]), int(values.zeroPoint[0]))

    def model(self, *, inputs: list[int], outputs: list[int], text: str) -> schema.ModelT:
        graph = schema.SubGraphT(
            tensors=self.tensors, operators=self.operators, inputs=inputs, outputs=outputs
        )
        codes = [
            # Both fields: readers from before there were more than 127 operators know the first
            # only.
            schema.OperatorCodeT(deprecatedBuiltinCode=code, builtinCode=code)
            for code, _ in _OPERATORS.values()
        ]
        return schema.ModelT(
            version=3,
            description=text,
            operatorCodes=codes,
            subgraphs=[graph],
            buffers=self.buffers,
        )


def _convolution(graph: _Graph, source: int, layer: Layer, content: QuantizedLayer) -> int:
    """Adds a convolution with its weights and biases, named as published; returns its output."""
    scope = layer.operations
    weights = graph.tensor(
        f"{scope}/weights_quant/FakeQuantWithMinMaxVars",
        content.codes.shape,
        content.weights,
        content.codes,
    )
    step = Quantization(graph.quantization(source).scale * content.weights.scale)
    bias = graph.tensor(f"{scope}/{_bias_name(layer)}", [layer.depth], step, content.bias)
    shape = [1, layer.rows, layer.rows, layer.depth]
    name = "BiasAdd" if layer.is_logits else "Relu6"
    result = graph.tensor(f"{scope}/{name}", shape, content.output)
    graph.operator(_options(layer), inputs=[source, weights, bias], output=result)
    return result


def _bias_name(layer: Layer) -> str:
    if layer.is_logits:
        return "Conv2D_bias"
    return "depthwise_Fold_bias" if layer.depthwise else "Conv2D_Fold_bias"


def _options(layer: Layer) -> Any:  # the options classes have no common base
    common = {
        "padding": schema.Padding.SAME,
        "strideW": layer.stride,
        "strideH": layer.stride,
    }
    if layer.depthwise:
        return schema.DepthwiseConv2DOptionsT(**common, depthMultiplier=1)
    return schema.Conv2DOptionsT(**common)


def _pool(graph: _Graph, feature_map: int) -> int:
    """Adds the average over the whole map; returns uint8[1, 1, 1, depth]."""
    _, rows, columns, depth = graph.tensors[feature_map].shape
    features = graph.tensor(
        "MobilenetV1/Logits/AvgPool_1a/AvgPool",
        [1, 1, 1, depth],
        graph.quantization(feature_map),
    )
    # Strides as published; with one position they do nothing.
    pool = schema.Pool2DOptionsT(
        padding=schema.Padding.VALID, strideW=2, strideH=2, filterWidth=columns, filterHeight=rows
    )
    graph.operator(pool, inputs=[feature_map], output=features)
    return features


def _softmax(graph: _Graph, logits: int, quantization: Quantization) -> int:
    """Adds what the published files end in; returns uint8[1, 1001]."""
    shape = np.array([1, graph.tensors[logits].shape[3]], np.int32)
    squeezed = graph.tensor("MobilenetV1/Logits/SpatialSqueeze", shape.tolist(), quantization)
    target = graph.tensor("MobilenetV1/Logits/SpatialSqueeze_shape", [2], None, shape)
    graph.operator(
        schema.ReshapeOptionsT(newShape=shape.tolist()), inputs=[logits, target], output=squeezed
    )
    scores = graph.tensor("MobilenetV1/Predictions/Reshape_1", shape.tolist(), _SCORE)
    graph.operator(schema.SoftmaxOptionsT(beta=1.0), inputs=[squeezed], output=scores)
    return scores
