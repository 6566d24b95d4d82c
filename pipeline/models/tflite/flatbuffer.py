"""TensorFlow Lite files as Python objects: read with checks, written the same way every time."""

from __future__ import annotations

import struct
from typing import Any, Final

import flatbuffers
import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

from transforms.errors import UserError

_IDENTIFIER: Final = b"TFL3"

# `force_align` of Buffer.data in the schema, which the generated Python code leaves out.
_BUFFER_ALIGNMENT: Final = 16

_DTYPES: Final[dict[int, str]] = {
    code: label.lower() for label, code in vars(schema.TensorType).items() if label.isupper()
}

_OPERATORS: Final[dict[int, str]] = {
    code: label for label, code in vars(schema.BuiltinOperator).items() if label.isupper()
}

_NUMPY: Final = ("float32", "int32", "int8", "uint8")

# What the generated code raises when an offset or a length leads out of the file.
_MALFORMED: Final = (struct.error, ValueError, TypeError, IndexError, OverflowError)


class _Builder(flatbuffers.Builder):  # type: ignore[misc]  # flatbuffers has no type hints
    """Starts every array of bytes where the schema wants it."""

    def CreateNumpyVector(self, x: Any) -> Any:  # noqa: N802
        if x.dtype == np.uint8:
            self.Prep(_BUFFER_ALIGNMENT, x.nbytes)
        return super().CreateNumpyVector(x)


def read(tflite: bytes) -> schema.ModelT:
    """Unpacks a file and checks that its first graph hangs together.

    Every tensor that an operator or the graph itself names exists. Constants stay views of
    `tflite`.

    Raises:
        UserError: The bytes are not a tflite file, or are cut short or damaged.
    """
    if tflite[4:8] != _IDENTIFIER:
        raise UserError(
            f"not a TensorFlow Lite file: {len(tflite):,} bytes that begin with {tflite[:8]!r}; "
            f"expected {_IDENTIFIER!r} at offset 4. "
            "Give the .tflite file itself, not the archive or the web page around it."
        )
    try:
        model = schema.ModelT.InitFromPackedBuf(tflite, 0)
        _check_references(model)
    except _MALFORMED as error:
        raise UserError(
            f"a TensorFlow Lite file of {len(tflite):,} bytes that is cut short or damaged "
            f"({error}). Fetch it again."
        ) from error
    return model


def write(model: schema.ModelT) -> bytes:
    """Packs a model: the same content gives the same bytes."""
    builder = _Builder(1 << 20)
    builder.Finish(model.Pack(builder), _IDENTIFIER)
    return bytes(builder.Output())


def indices(vector: Any) -> list[int]:
    """A vector of whole numbers as a list; one that the file leaves out is empty."""
    return [] if vector is None else [int(i) for i in vector]


def name(tensor: schema.TensorT) -> str:
    """The name of a tensor; empty where the file leaves it out."""
    return bytes(tensor.name or b"").decode(errors="replace")


def dtype(tensor: schema.TensorT) -> str:
    """The type of a tensor's elements: uint8, float32, ..."""
    return _DTYPES.get(tensor.type, f"type {tensor.type}")


def quantization(tensor: schema.TensorT) -> tuple[float, int] | None:
    """Scale and zero point, real = scale * (code - zero_point).

    None if the tensor is not quantized, or has a scale for each channel.
    """
    values = tensor.quantization
    if values is None or values.scale is None or values.zeroPoint is None:
        return None
    if len(values.scale) != 1 or len(values.zeroPoint) != 1:
        return None
    return float(values.scale[0]), int(values.zeroPoint[0])


def operator_code(model: schema.ModelT, operator: schema.OperatorT) -> int:
    """The operator's code; files older than the wide field have it in the narrow one alone."""
    entry = model.operatorCodes[operator.opcodeIndex]
    return int(max(entry.builtinCode, entry.deprecatedBuiltinCode))


def operator_name(code: int) -> str:
    """The name of an operator: SOFTMAX, CONV_2D, ..."""
    return _OPERATORS.get(code, f"operator {code}")


def constant(model: schema.ModelT, tensor: schema.TensorT) -> npt.NDArray[Any] | None:
    """The values of a constant of numbers, in their shape; None if the tensor is computed."""
    data = model.buffers[tensor.buffer].data
    if data is None or not len(data) or dtype(tensor) not in _NUMPY:
        return None
    values = np.frombuffer(np.asarray(data, np.uint8).tobytes(), dtype(tensor))
    return values.reshape(indices(tensor.shape))


def summary(tensor: schema.TensorT) -> str:
    """Name, type and shape of a tensor for a message: `input uint8[1, 128, 128, 3]`."""
    return f"{name(tensor)} {dtype(tensor)}{indices(tensor.shape)}"


def _check_references(model: schema.ModelT) -> None:
    """Raises ValueError if the first graph names a tensor, buffer or operator that is not there."""
    if not model.subgraphs or not model.buffers or not model.operatorCodes:
        raise ValueError("no graph, constants or operator codes")
    graph = model.subgraphs[0]
    if not graph.tensors or not graph.operators:
        raise ValueError("a graph without tensors or operators")
    ends = indices(graph.inputs) + indices(graph.outputs)
    for operator in graph.operators:
        _check_range("operator code", [operator.opcodeIndex], len(model.operatorCodes))
        ends += [i for i in indices(operator.inputs) if i != -1]  # -1: an optional input left out
        ends += indices(operator.outputs)
    _check_range("tensor", ends, len(graph.tensors))
    _check_range("buffer", [tensor.buffer for tensor in graph.tensors], len(model.buffers))


def _check_range(kind: str, found: list[int], count: int) -> None:
    wrong = [i for i in found if not 0 <= i < count]
    if wrong:
        raise ValueError(f"{kind} {wrong[0]} of {count}")
