"""Biases of a quantized network that make up for what rounding does to its layers on average.

Rounded weights shift the mean of what a layer gives, and a layer's shift reaches all that follow.
What each input channel is on average is known from pictures, hence also the shift, which goes into
the bias (Nagel et al. 2019, Data-Free Quantization Through Weight Equalization and Bias
Correction, with measured means). So does the half of a step by which the input is off where its
zero lies between two codes, as it does in [-1, 1].
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from pipeline.models.tflite import flatbuffer
from transforms.network.pixel_values import PixelValues
from transforms.records import Pixels

_Code: Final = schema.BuiltinOperator

_WEIGHTED: Final = (_Code.CONV_2D, _Code.DEPTHWISE_CONV_2D, _Code.FULLY_CONNECTED)

_PASSING: Final = (_Code.QUANTIZE, _Code.PAD, _Code.PADV2)
"""Operators between the input and the first layer that leave its numbers as they are."""

Means = npt.NDArray[np.float64]
"""float64[channels]."""


class _Layer(NamedTuple):
    """An operator with weights.

    Attributes:
        code: which.
        source: index of its input.
        weights: index of its weights.
        bias: index of its biases, or None.
    """

    code: int
    source: int
    weights: int
    bias: int | None


def corrected(
    quantized: bytes, plain: bytes, pictures: Sequence[Pixels], values: PixelValues
) -> bytes:
    """Mends the biases of a network.

    Args:
        quantized: int8 within, the input uint8 and fed with the bytes of the pixels.
        plain: the same network in float, as the same converter writes it.
        pictures: that tell what is usual, as in `quantize_plain`.
        values: what the input of `plain` is fed.

    Returns:
        `quantized` with other biases; as it was, if the two do not have the same layers.
    """
    model, float_model = flatbuffer.read(quantized), flatbuffer.read(plain)
    layers, float_layers = _layers(model), _layers(float_model)
    if [each.code for each in layers] != [each.code for each in float_layers]:
        return quantized
    means = _means(plain, pictures, values, [each.source for each in float_layers])
    first = _after_input(model)
    for layer, float_layer in zip(layers, float_layers, strict=True):
        exact = _constant(float_model, float_layer.weights)
        rounded = _dequantized(model, layer)
        if layer.bias is None or exact is None or rounded is None or exact.shape != rounded.shape:
            continue
        usual = means[float_layer.source]
        shift = _through(layer.code, exact - rounded, usual)
        if layer.source == first:
            offset = np.full(len(usual), _input_offset(model, values))
            shift += _through(layer.code, rounded, offset)
        _add(model, layer, shift)
    return flatbuffer.write(model)


def _layers(model: schema.ModelT) -> list[_Layer]:
    found = []
    for operator in model.subgraphs[0].operators:
        code = flatbuffer.operator_code(model, operator)
        if code in _WEIGHTED:
            source, weights, *rest = flatbuffer.indices(operator.inputs)
            bias = rest[0] if rest and rest[0] >= 0 else None
            found.append(_Layer(code, source, weights, bias))
    return found


def _constant(model: schema.ModelT, index: int) -> npt.NDArray[np.float64] | None:
    values = flatbuffer.constant(model, model.subgraphs[0].tensors[index])
    return None if values is None else values.astype(np.float64)


def _scales(model: schema.ModelT, layer: _Layer) -> npt.NDArray[np.float64] | None:
    """Of the weights, float64[1 or outputs]; None where they are not symmetric."""
    found = model.subgraphs[0].tensors[layer.weights].quantization
    if found is None or found.scale is None or np.any(found.zeroPoint):
        return None
    return np.asarray(found.scale, np.float64)


def _dequantized(model: schema.ModelT, layer: _Layer) -> npt.NDArray[np.float64] | None:
    codes, scales = _constant(model, layer.weights), _scales(model, layer)
    if codes is None or scales is None:
        return None
    # The outputs are the last dimension of depthwise weights and the first of others.
    depthwise = layer.code == _Code.DEPTHWISE_CONV_2D
    shape = [1] * codes.ndim
    shape[-1 if depthwise else 0] = -1
    return codes * scales.reshape(shape)


def _through(code: int, weights: npt.NDArray[np.float64], means: Means) -> npt.NDArray[np.float64]:
    """What weights make of inputs that are the same everywhere, float64[outputs]."""
    if code == _Code.DEPTHWISE_CONV_2D:
        each = weights.sum(axis=(0, 1, 2))
        return np.asarray(each * means.repeat(len(each) // len(means)))
    return np.asarray(weights.reshape(len(weights), -1, len(means)).sum(axis=1) @ means)


def _means(
    plain: bytes, pictures: Sequence[Pixels], values: PixelValues, wanted: Sequence[int]
) -> Mapping[int, Means]:
    """The mean of each channel of tensors over pictures and positions."""
    interpreter = Interpreter(
        model_content=plain,
        num_threads=1,
        experimental_preserve_all_tensors=True,
        # A delegate does not show what is within it.
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    interpreter.allocate_tensors()
    (source,) = interpreter.get_input_details()
    sums: dict[int, Any] = dict.fromkeys(wanted, 0.0)
    for picture in pictures:
        interpreter.set_tensor(source["index"], values.encode(picture)[np.newaxis])
        interpreter.invoke()
        for index in sums:
            found = interpreter.get_tensor(index)
            sums[index] += found.reshape(-1, found.shape[-1]).mean(axis=0, dtype=np.float64)
    return {index: total / len(pictures) for index, total in sums.items()}


def _after_input(model: schema.ModelT) -> int:
    """The tensor that the first layer reads, if nothing changes its numbers before."""
    graph = model.subgraphs[0]
    at = int(graph.inputs[0])
    for operator in graph.operators:
        passes = flatbuffer.operator_code(model, operator) in _PASSING
        if passes and int(operator.inputs[0]) == at:
            at = int(operator.outputs[0])
    return at


def _input_offset(model: schema.ModelT, values: PixelValues) -> float:
    """What a byte is in float less what its code is."""
    graph = model.subgraphs[0]
    quantized = flatbuffer.quantization(graph.tensors[int(graph.inputs[0])])
    if quantized is None:
        return 0.0
    scale, zero_point = quantized
    middle = 127.5  # so that a scale that is rounded does not count
    return (middle - values.mean[0]) / values.std[0] - scale * (middle - zero_point)


def _add(model: schema.ModelT, layer: _Layer, shift: npt.NDArray[np.float64]) -> None:
    tensors = model.subgraphs[0].tensors
    source, scales = flatbuffer.quantization(tensors[layer.source]), _scales(model, layer)
    bias = flatbuffer.constant(model, tensors[layer.bias])
    if source is None or scales is None or bias is None or bias.dtype != np.int32:
        return
    steps = np.rint(shift / (source[0] * scales))
    limits = np.iinfo(np.int32)
    mended = np.clip(bias.astype(np.int64) + steps, limits.min, limits.max).astype(np.int32)
    buffer = model.buffers[tensors[layer.bias].buffer]
    buffer.data = np.frombuffer(mended.tobytes(), np.uint8)
