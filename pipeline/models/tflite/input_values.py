"""What a network takes for a pixel: told by its metadata, its quantization or its first operators.

Nothing in a tflite says it for certain, so `told_by` always says what it was taken from.
"""

from __future__ import annotations

import dataclasses
from typing import Final, Literal, NamedTuple, cast

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from pipeline.models.hints import InputRange
from pipeline.models.tflite import flatbuffer
from pipeline.models.tflite.metadata import Metadata
from transforms.errors import UserError
from transforms.network.pixel_values import DType, PixelValues

_Code: Final = schema.BuiltinOperator

_NORMALIZATIONS: Final[dict[InputRange, tuple[tuple[float], tuple[float]]]] = {
    "byte": ((0.0,), (1.0,)),
    "unit": ((0.0,), (255.0,)),
    "symmetric": ((127.5,), (127.5,)),
}
"""Mean and standard deviation, in units of a byte."""

_RAW_CODE: Final = {"uint8": 0, "int8": -128}
"""The code of a byte of 0, where codes are bytes."""

_WIDE: Final = 32.0
"""Numbers behind the first operators of a network span a few units; 255 of them are not scaled."""


# Of the largest weight: those of random and trained first layers are some tenths to some units, and
# a hundredth of that with a scale of 1/127.5 or 1/255 folded in.
_FOLDED: Final = 0.02


class Told(NamedTuple):
    """How pixels become input, and what says so."""

    values: PixelValues
    told_by: str


def pixel_values(
    model: schema.ModelT, source: int, metadata: Metadata, told: InputRange | None
) -> Told:
    """What the input holds for a byte.

    A quantized input takes the bytes themselves (int8: less 128), as the tools of TensorFlow Lite
    feed it, unless the metadata say something else by more than a step.

    Raises:
        UserError: the metadata do not go with the input.
    """
    tensor = model.subgraphs[0].tensors[source]
    dtype = cast("DType", flatbuffer.dtype(tensor))
    channels = int(tensor.shape[3])
    if {len(metadata.mean), len(metadata.std)} - {0, 1, channels}:
        raise UserError(
            f"its metadata normalize {len(metadata.mean)} channels, its input has {channels}"
        )
    plain = PixelValues(dtype=dtype, channels=channels, zero_point=_RAW_CODE.get(dtype, 0))
    quantized = flatbuffer.quantization(tensor)
    if dtype == "float32":
        range_, told_by = (told, "--input-range") if told else _range(model, source)
        if metadata.mean and not told:
            return Told(_normalized(plain, metadata.mean, metadata.std), "its metadata")
        return Told(_normalized(plain, *_NORMALIZATIONS[range_]), told_by)
    if quantized is None:
        raise UserError(f"its input is {flatbuffer.summary(tensor)} without one scale")
    scale, zero_point = quantized
    coded = dataclasses.replace(plain, scale=scale, zero_point=zero_point)
    if told:
        return Told(_normalized(coded, *_NORMALIZATIONS[told]), "--input-range")
    if metadata.mean:
        normalized = _normalized(coded, metadata.mean, metadata.std)
        if _steps_apart(plain, normalized) > 1:
            return Told(normalized, "its metadata")
    return Told(plain, "its type")


def _normalized(
    values: PixelValues, mean: tuple[float, ...], std: tuple[float, ...]
) -> PixelValues:
    return dataclasses.replace(values, mean=mean, std=std)


def _steps_apart(one: PixelValues, other: PixelValues) -> int:
    """The largest difference of codes over all bytes and channels."""
    pixels = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
    difference = one.encode(pixels).astype(np.int64) - other.encode(pixels).astype(np.int64)
    return int(np.abs(difference).max())


def _range(model: schema.ModelT, source: int) -> tuple[InputRange, str]:
    """What a float input takes, from the operators that read it."""
    graph = model.subgraphs[0]
    factor, offset, at, scaled = 1.0, 0.0, source, False
    while True:
        readers = [each for each in graph.operators if at in flatbuffer.indices(each.inputs)]
        if len(readers) != 1:
            break
        (operator,) = readers
        code = flatbuffer.operator_code(model, operator)
        if code == _Code.CONV_2D and not scaled and _takes_bytes(model, operator):
            return "byte", "the weights of its first convolution"
        if code == _Code.QUANTIZE and not scaled:
            return _of_codes(graph.tensors[int(operator.outputs[0])])
        change = _change(model, operator, code)
        if change is None:
            break
        factor, offset = factor * change[0], offset * change[0] + change[1]
        at, scaled = int(operator.outputs[0]), True
    if not scaled:
        return "symmetric", "custom: the file does not say"
    told_by = "its first operators"
    if abs(factor) * 255 < _WIDE:
        return "byte", told_by
    return ("unit" if offset < 0 else "symmetric"), told_by


def _takes_bytes(model: schema.ModelT, operator: schema.OperatorT) -> bool:
    """Whether a scale is folded into a convolution, as the converter does where none is padded."""
    weights = flatbuffer.indices(operator.inputs)[1:2]
    values = [flatbuffer.constant(model, model.subgraphs[0].tensors[i]) for i in weights]
    return any(
        each is not None and each.dtype == np.float32 and np.abs(each).max() < _FOLDED
        for each in values
    )


def _of_codes(tensor: schema.TensorT) -> tuple[InputRange, str]:
    """From the range that the first codes of a network span."""
    quantized, told_by = flatbuffer.quantization(tensor), "its first quantization"
    if quantized is None:
        return "symmetric", "custom: the file does not say"
    scale, zero_point = quantized
    lowest = scale * (-128 - zero_point) if flatbuffer.dtype(tensor) == "int8" else -scale
    if scale * 255 > _WIDE:
        return "byte", told_by
    return ("unit" if lowest > -scale * 64 else "symmetric"), told_by


def _change(
    model: schema.ModelT, operator: schema.OperatorT, code: int
) -> tuple[float, float] | None:
    """Factor and offset of an operator with a constant; None of any other operator."""
    kinds: dict[int, Literal["*", "+", "-", "/"]] = {
        _Code.MUL: "*",
        _Code.ADD: "+",
        _Code.SUB: "-",
        _Code.DIV: "/",
    }
    if code not in kinds:
        return None
    tensors = [model.subgraphs[0].tensors[i] for i in flatbuffer.indices(operator.inputs)]
    values = flatbuffer.constant(model, tensors[1])
    if values is None or values.dtype != np.float32 or not values.size:
        return None
    number = float(values.mean())
    return {"*": (number, 0.0), "+": (1.0, number), "-": (1.0, -number)}.get(
        kinds[code], (1 / number if number else 1.0, 0.0)
    )
