"""A network of the same architecture with random weights, for tests and for trying things out.

It stands in for a published model wherever real weights are not the point: it has the same 31
operators, the same shapes, tensor names and input quantization, so whatever handles the published
files handles it too. Its labels mean nothing, and its description says so.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

from pipeline import tflite_file
from transforms.errors import UsageError

MULTIPLIERS: Final = (0.25, 0.5, 0.75, 1.0)
"""Depth multipliers of the published models."""

SIZES: Final = (128, 160, 192, 224)
"""Input sizes of the published models, in pixels."""

_DESCRIPTION: Final = "quantlabel stand-in: random weights, its labels mean nothing"
_CLASSES: Final = 1001
_STEM_DEPTH: Final = 32
_BLOCKS: Final = (
    *((1, 64), (2, 128), (1, 128), (2, 256), (1, 256), (2, 512)),
    *((1, 512),) * 5,
    *((2, 1024), (1, 1024)),
)
"""(stride, depth) of the 13 depthwise-separable blocks: Howard et al. 2017, table 1."""


_Code: Final = schema.BuiltinOperator
_Options: Final = schema.BuiltinOptions
_OPERATORS: Final = {
    schema.Pool2DOptionsT: (_Code.AVERAGE_POOL_2D, _Options.Pool2DOptions),
    schema.Conv2DOptionsT: (_Code.CONV_2D, _Options.Conv2DOptions),
    schema.DepthwiseConv2DOptionsT: (_Code.DEPTHWISE_CONV_2D, _Options.DepthwiseConv2DOptions),
    schema.ReshapeOptionsT: (_Code.RESHAPE, _Options.ReshapeOptions),
    schema.SoftmaxOptionsT: (_Code.SOFTMAX, _Options.SoftmaxOptions),
}
"""Options class -> code of the operator, code of the options; the order is that in the file."""

_TENSOR_TYPES: Final = {
    np.dtype(np.uint8): schema.TensorType.UINT8,
    np.dtype(np.int32): schema.TensorType.INT32,
}


@dataclasses.dataclass(frozen=True)
class _Quantization:
    """real = scale * (code - zero_point), the same for a whole tensor."""

    scale: float
    zero_point: int = 0

    def packed(self) -> schema.QuantizationParametersT:
        return schema.QuantizationParametersT(scale=[self.scale], zeroPoint=[self.zero_point])


_PIXEL: Final = _Quantization(1 / 128, 128)  # as published
_ACTIVATION: Final = _Quantization(6 / 255)  # codes 0..255 are the range of ReLU6
_LOGIT: Final = _Quantization(0.13, 128)  # near the published 0.25/128: 0.1308
_SCORE: Final = _Quantization(1 / 256)  # as published

_LARGEST_CODE: Final = 127
_CODE_STD: Final = 73.6  # of whole numbers spread evenly over -127..127
_CODE_MEAN: Final = 63.8  # of their absolute values
_BIAS_LIMIT: Final = 0.25


def stand_in(*, multiplier: float = 0.25, size: int = 128, seed: int = 0) -> bytes:
    """Makes a quantized MobileNet V1 with random weights.

    Different pictures get different labels and features: random filters alone would answer alike
    to everything after 27 layers, see `_mixing` and `_averaging`. The numbers come from a generator
    that numpy keeps frozen and from exact arithmetic: the same bytes on every machine.

    Args:
        multiplier: Depth multiplier, one of `MULTIPLIERS`.
        size: Rows and columns of the input in pixels, one of `SIZES`.
        seed: 0 to 2**32 - 1.

    Returns:
        A tflite file: input uint8[1, size, size, 3], output softmax uint8[1, 1001].

    Raises:
        UsageError: The multiplier, size or seed is none of those.
    """
    _check(multiplier=multiplier, size=size, seed=seed)
    graph = _Graph(random=np.random.RandomState(seed))
    pixels = graph.tensor("input", [1, size, size, 3], _PIXEL)
    feature_map = _feature_map(graph, pixels, multiplier=multiplier)
    scores = _classifier(graph, feature_map)
    return tflite_file.write(graph.model(inputs=[pixels], outputs=[scores]))


def is_stand_in(tflite: bytes) -> bool:
    """Tells whether `stand_in` made a file, also after `two_head` rewrote it.

    Raises:
        UserError: The bytes are not a tflite file.
    """
    return bool(tflite_file.read(tflite).description == _DESCRIPTION.encode())


def _check(*, multiplier: float, size: int, seed: int) -> None:
    if multiplier not in MULTIPLIERS:
        raise UsageError(f"no model of multiplier {multiplier} exists; use {_choices(MULTIPLIERS)}")
    if size not in SIZES:
        raise UsageError(f"no model of input size {size} exists; use {_choices(SIZES)}")
    if not 0 <= seed < 2**32:
        raise UsageError(f"seed {seed} is out of range; use 0 to {2**32 - 1}")


def _choices(values: tuple[float, ...]) -> str:
    return ", ".join(map(str, values[:-1])) + f" or {values[-1]}"


@dataclasses.dataclass
class _Graph:
    """Tensors, their constants and the operators, in the order in which they are added."""

    random: np.random.RandomState
    tensors: list[schema.TensorT] = dataclasses.field(default_factory=list)
    buffers: list[schema.BufferT] = dataclasses.field(default_factory=lambda: [schema.BufferT()])
    operators: list[schema.OperatorT] = dataclasses.field(default_factory=list)

    def tensor(
        self,
        name: str,
        shape: Sequence[int],
        quantization: _Quantization | None,
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

    def shape(self, tensor: int) -> list[int]:
        shape: list[int] = self.tensors[tensor].shape
        return shape

    def scale(self, tensor: int) -> float:
        return float(self.tensors[tensor].quantization.scale[0])

    def model(self, *, inputs: list[int], outputs: list[int]) -> schema.ModelT:
        graph = schema.SubGraphT(
            tensors=self.tensors, operators=self.operators, inputs=inputs, outputs=outputs
        )
        codes = [
            schema.OperatorCodeT(deprecatedBuiltinCode=code, builtinCode=code)
            for code, _ in _OPERATORS.values()
        ]
        return schema.ModelT(
            version=3,
            description=_DESCRIPTION,
            operatorCodes=codes,
            subgraphs=[graph],
            buffers=self.buffers,
        )


@dataclasses.dataclass(frozen=True)
class _Filters:
    """Weights of one convolution: codes int8[output, rows, columns, input] around 0, one scale."""

    codes: npt.NDArray[np.int8]
    scale: float


@dataclasses.dataclass(frozen=True)
class _Names:
    """Names of the tensors of one convolution, as published."""

    scope: str
    bias: str
    output: str

    def of(self, part: str) -> str:
        return f"{self.scope}/{part}"


def _feature_map(graph: _Graph, pixels: int, *, multiplier: float) -> int:
    """Adds the stem and the blocks; uint8[1, size / 32, size / 32, 1024 * multiplier]."""
    scope = "MobilenetV1/MobilenetV1/Conv2d_"
    depth = _scaled(_STEM_DEPTH, multiplier)
    names = _Names(f"{scope}0", "Conv2D_Fold_bias", "Relu6")
    x = _convolution(graph, pixels, names, _stem(graph.random, depth), stride=2)
    for block, (stride, full_depth) in enumerate(_BLOCKS, start=1):
        names = _Names(f"{scope}{block}_depthwise", "depthwise_Fold_bias", "Relu6")
        x = _depthwise(graph, x, names, _averaging(graph.random, depth), stride=stride)
        filters = _mixing(graph.random, depth, _scaled(full_depth, multiplier))
        names = _Names(f"{scope}{block}_pointwise", "Conv2D_Fold_bias", "Relu6")
        x = _convolution(graph, x, names, filters)
        depth = graph.shape(x)[3]
    return x


def _classifier(graph: _Graph, feature_map: int) -> int:
    """Adds the pool, the logits and the softmax; returns uint8[1, 1001]."""
    _, rows, columns, depth = graph.shape(feature_map)
    features = graph.tensor("MobilenetV1/Logits/AvgPool_1a/AvgPool", [1, 1, 1, depth], _ACTIVATION)
    pool = schema.Pool2DOptionsT(
        padding=schema.Padding.VALID, strideW=2, strideH=2, filterWidth=columns, filterHeight=rows
    )
    graph.operator(pool, inputs=[feature_map], output=features)
    names = _Names("MobilenetV1/Logits/Conv2d_1c_1x1", "Conv2D_bias", "BiasAdd")
    filters = _mixing(graph.random, depth, _CLASSES)
    logits = _convolution(graph, features, names, filters, output=_LOGIT)
    shape = np.array([1, _CLASSES], np.int32)
    squeezed = graph.tensor("MobilenetV1/Logits/SpatialSqueeze", shape.tolist(), _LOGIT)
    target = graph.tensor("MobilenetV1/Logits/SpatialSqueeze_shape", [2], None, shape)
    graph.operator(
        schema.ReshapeOptionsT(newShape=shape.tolist()), inputs=[logits, target], output=squeezed
    )
    scores = graph.tensor("MobilenetV1/Predictions/Reshape_1", shape.tolist(), _SCORE)
    graph.operator(schema.SoftmaxOptionsT(beta=1.0), inputs=[squeezed], output=scores)
    return scores


def _convolution(
    graph: _Graph,
    source: int,
    names: _Names,
    filters: _Filters,
    *,
    stride: int = 1,
    output: _Quantization = _ACTIVATION,
) -> int:
    options = schema.Conv2DOptionsT(padding=schema.Padding.SAME, strideW=stride, strideH=stride)
    depth = filters.codes.shape[0]
    return _weighted(graph, source, names, filters, options, depth=depth, output=output)


def _depthwise(graph: _Graph, source: int, names: _Names, filters: _Filters, *, stride: int) -> int:
    options = schema.DepthwiseConv2DOptionsT(
        padding=schema.Padding.SAME, strideW=stride, strideH=stride, depthMultiplier=1
    )
    depth = filters.codes.shape[3]
    return _weighted(graph, source, names, filters, options, depth=depth, output=_ACTIVATION)


def _weighted(
    graph: _Graph,
    source: int,
    names: _Names,
    filters: _Filters,
    options: Any,  # the options classes have no common base
    *,
    depth: int,
    output: _Quantization,
) -> int:
    """Adds a convolution with its weights and biases; returns its output."""
    codes = (filters.codes.astype(np.int16) + 128).astype(np.uint8)
    weights = graph.tensor(
        names.of("weights_quant/FakeQuantWithMinMaxVars"),
        codes.shape,
        _Quantization(filters.scale, 128),
        codes,
    )
    bias_scale = graph.scale(source) * filters.scale
    limit = int(_BIAS_LIMIT / bias_scale)
    values = graph.random.randint(-limit, limit + 1, size=depth, dtype=np.int32)
    bias = graph.tensor(names.of(names.bias), [depth], _Quantization(bias_scale), values)
    _, rows, columns, _ = graph.shape(source)
    shape = [1, math.ceil(rows / options.strideH), math.ceil(columns / options.strideW), depth]
    result = graph.tensor(names.of(names.output), shape, output)
    graph.operator(options, inputs=[source, weights, bias], output=result)
    return result


def _stem(random: np.random.RandomState, depth: int) -> _Filters:
    """3x3 filters over the three colours."""
    return _Filters(_spread(random, (depth, 3, 3, 3)), _gain(27) / _CODE_STD)


def _averaging(random: np.random.RandomState, depth: int) -> _Filters:
    """3x3 filters without negative weights: they carry what sets a picture apart onwards.

    Filters of both signs would leave fine texture only, which the pool at the end averages away.
    The weights of a filter sum up to 2 or so, since averaging takes contrast away.
    """
    codes = np.abs(_spread(random, (1, 3, 3, depth)))
    return _Filters(codes, 2 / (9 * _CODE_MEAN))


def _mixing(random: np.random.RandomState, channels: int, depth: int) -> _Filters:
    """1x1 filters, the weights of each of which sum up to 0 or nearly so.

    What all channels have in common then cancels out. Otherwise it grows from layer to layer (no
    activation is negative) until all pictures look alike.
    """
    codes = _spread(random, (depth, 1, 1, channels)).astype(np.int64)
    centred = codes - codes.sum(axis=3, keepdims=True) // channels
    codes = np.clip(centred, -_LARGEST_CODE, _LARGEST_CODE)
    return _Filters(codes.astype(np.int8), _gain(channels) / _CODE_STD)


def _spread(random: np.random.RandomState, shape: tuple[int, ...]) -> npt.NDArray[np.int8]:
    return random.randint(-_LARGEST_CODE, _LARGEST_CODE + 1, size=shape, dtype=np.int8)


def _gain(terms: int) -> float:
    """Standard deviation of weights that keeps the contrast through ReLU: He's, for zero sums."""
    return math.sqrt(3 / terms)


def _scaled(depth: int, multiplier: float) -> int:
    return max(int(depth * multiplier), 8)
