"""What a model file holds, read from the file without running it."""

from __future__ import annotations

import dataclasses
import hashlib
import math
from typing import Any, Final

from ai_edge_litert import schema_py_generated as schema

from pipeline.models.tflite import flatbuffer, stand_in, two_head
from transforms.errors import UserError

_CONVOLUTIONS: Final = (
    schema.BuiltinOperator.CONV_2D,
    schema.BuiltinOperator.DEPTHWISE_CONV_2D,
)

# Length of the feature vector at multiplier 1.
_FULL_FEATURES: Final = 1024


@dataclasses.dataclass(frozen=True)
class TensorInfo:
    """An input, an output or a head.

    Attributes:
        name: As in the file.
        shape: As in the file, with the batch dimension.
        dtype: uint8, float32, ...
        scale: Of real = scale * (code - zero_point); None if the tensor is not quantized.
        zero_point: As in `scale`.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    scale: float | None
    zero_point: int | None


@dataclasses.dataclass(frozen=True)
class ModelInfo:
    """A model file.

    Attributes:
        sha256: Lower-case hex digest of the file.
        file_bytes: Length of the file.
        stand_in: Whether the weights are random (`pipeline.models.tflite.stand_in`), so the labels
            mean nothing.
        multiplier: Depth multiplier, from the length of the feature vector.
        input_size: Rows and columns of the input in pixels.
        input: The input.
        outputs: The outputs of the file as it is.
        logits: The head that labels are made from.
        features: The head that the embedding is made from.
        classes: Number of logits.
        parameters: Weights and biases, batch normalization folded in.
        macs: Multiplications with an addition for one picture, in all convolutions.
    """

    sha256: str
    file_bytes: int
    stand_in: bool
    multiplier: float
    input_size: int
    input: TensorInfo
    outputs: tuple[TensorInfo, ...]
    logits: TensorInfo
    features: TensorInfo
    classes: int
    parameters: int
    macs: int

    def as_dict(self) -> dict[str, Any]:
        """The same as plain values that `json.dumps` takes."""
        return dataclasses.asdict(self)


def describe(tflite: bytes) -> ModelInfo:
    """Reads what a quantized MobileNet V1 file holds.

    Args:
        tflite: As published, or rewritten by `two_head`.

    Raises:
        UserError: The bytes are not a tflite file, or not of this network; says what was found.
    """
    model = flatbuffer.read(tflite)
    graph = model.subgraphs[0]
    heads = two_head.find_heads(graph)
    pixels, logits, features = (
        _tensor_info(graph.tensors[i]) for i in (int(graph.inputs[0]), *heads)
    )
    parameters, macs = _size(model)
    return ModelInfo(
        sha256=hashlib.sha256(tflite).hexdigest(),
        file_bytes=len(tflite),
        stand_in=stand_in.is_stand_in(tflite),
        multiplier=features.shape[-1] / _FULL_FEATURES,
        input_size=pixels.shape[1],
        input=pixels,
        outputs=tuple(_tensor_info(graph.tensors[i]) for i in flatbuffer.indices(graph.outputs)),
        logits=logits,
        features=features,
        classes=logits.shape[-1],
        parameters=parameters,
        macs=macs,
    )


def _tensor_info(tensor: schema.TensorT) -> TensorInfo:
    scale, zero_point = flatbuffer.quantization(tensor) or (None, None)
    return TensorInfo(
        name=flatbuffer.name(tensor),
        shape=_shape(tensor),
        dtype=flatbuffer.dtype(tensor),
        scale=scale,
        zero_point=zero_point,
    )


def _size(model: schema.ModelT) -> tuple[int, int]:
    """Parameters and multiply-adds of all convolutions.

    Each weight is used once for every position of the output, in an ordinary convolution as in a
    depthwise one.
    """
    parameters = macs = 0
    for operator in model.subgraphs[0].operators:
        if _code(model, operator) in _CONVOLUTIONS:
            weights, bias, (_, rows, columns, _) = _shapes(model.subgraphs[0], operator)
            parameters += math.prod(weights) + math.prod(bias)
            macs += rows * columns * math.prod(weights)
    return parameters, macs


def _shapes(graph: schema.SubGraphT, operator: schema.OperatorT) -> list[tuple[int, ...]]:
    """Shapes of the weights, the biases and the output of a convolution."""
    parts = flatbuffer.indices(operator.inputs)[1:] + flatbuffer.indices(operator.outputs)
    shapes = [_shape(graph.tensors[i]) for i in parts]
    if [len(shape) for shape in shapes] != [4, 1, 4]:
        raise UserError(
            f"a convolution has weights, biases and output of shapes {shapes}; expected one each, "
            "of 4, 1 and 4 dimensions. The file is damaged: fetch it again."
        )
    return shapes


def _shape(tensor: schema.TensorT) -> tuple[int, ...]:
    return tuple(flatbuffer.indices(tensor.shape))


def _code(model: schema.ModelT, operator: schema.OperatorT) -> int:
    """The operator's code; files older than the wide field have it in the narrow one alone."""
    entry = model.operatorCodes[operator.opcodeIndex]
    return int(max(entry.builtinCode, entry.deprecatedBuiltinCode))
