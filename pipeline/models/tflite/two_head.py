"""A published classifier made to give logits and features at once, for many pictures at a time.

The published graph ends in a reshape to [1, 1001], which no batch passes, and a softmax in steps of
1/256, too coarse to rank by. Both go; what fed them becomes the output, beside the pooled features.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from ai_edge_litert import schema_py_generated as schema

from pipeline.models.tflite import flatbuffer
from pipeline.models.tflite.classifier import FEATURES, LOGITS, find_classifier, rewrite
from transforms.errors import UserError

_EXPECTED: Final = "Use a quantized MobileNet V1 such as mobilenet_v1_0.25_128_quant."


class Heads(NamedTuple):
    """Indices of two tensors of a graph."""

    logits: int
    features: int


def two_head(tflite: bytes) -> bytes:
    """Rewrites a quantized MobileNet V1 so that it ends at its logits and takes batches.

    Args:
        tflite: A file of any multiplier and input size, as published or already rewritten.

    Returns:
        A tflite file: input uint8[n, size, size, 3], outputs uint8[n, 1, 1, classes] logits and
        uint8[n, 1, 1, 1024 * multiplier] features, in this order, with n = 1 until the input is
        resized. The same input gives the same bytes.

    Raises:
        UserError: The bytes are not a tflite file, or not of this network; says what was found.
    """
    model = flatbuffer.read(tflite)
    find_heads(model.subgraphs[0])
    return rewrite(model, find_classifier(model))


def find_heads(graph: schema.SubGraphT) -> Heads:
    """Finds the logits and the pooled features by their published names.

    Raises:
        UserError: One of them is missing or there are several, or they or the input have another
            type or shape than two heads need; says what was found.
    """
    names = [flatbuffer.name(tensor) for tensor in graph.tensors]
    heads = Heads(logits=_only(names, LOGITS, graph), features=_only(names, FEATURES, graph))
    _check_input(graph)
    for head in heads:
        _check_head(graph.tensors[head])
    return heads


def name_heads(model: schema.ModelT, *, logits: int, features: int) -> None:
    """Gives the input and two outputs their published names, by which everything here finds them.

    Args:
        model: it is changed.
        logits: index of the tensor.
        features: index of the tensor.
    """
    graph = model.subgraphs[0]
    for number, tensor in enumerate(graph.tensors):
        # A converter's are long, and some end like a head's.
        tensor.name = f"tensor_{number}".encode()
    graph.tensors[int(graph.inputs[0])].name = b"input"
    graph.tensors[logits].name = f"MobilenetV1/{LOGITS}".encode()
    graph.tensors[features].name = f"MobilenetV1/{FEATURES}".encode()


def _only(names: list[str], suffix: str, graph: schema.SubGraphT) -> int:
    found = [i for i, name in enumerate(names) if name.endswith(suffix)]
    if len(found) == 1:
        return found[0]
    outputs = ", ".join(names[i] for i in flatbuffer.indices(graph.outputs))
    raise UserError(
        f"expected one tensor whose name ends in {suffix}, found {len(found)} among {len(names)} "
        f"tensors, the last of which are {', '.join(names[-5:])}; its output is {outputs}. "
        f"{_EXPECTED}"
    )


def _check_input(graph: schema.SubGraphT) -> None:
    found = [graph.tensors[i] for i in flatbuffer.indices(graph.inputs)]
    if len(found) == 1 and found[0].type == schema.TensorType.UINT8:
        shape = flatbuffer.indices(found[0].shape)
        if len(shape) == 4 and shape[0] == 1 and shape[1] == shape[2] > 0 and shape[3] == 3:
            return
    described = ", ".join(flatbuffer.summary(tensor) for tensor in found) or "none"
    raise UserError(
        f"its inputs are {described}; expected one uint8[1, size, size, 3]. {_EXPECTED}"
    )


def _check_head(tensor: schema.TensorT) -> None:
    shape = flatbuffer.indices(tensor.shape)
    quantized = flatbuffer.quantization(tensor) is not None
    if tensor.type != schema.TensorType.UINT8 or not quantized or shape[:-1] != [1, 1, 1]:
        raise UserError(
            f"its head is {flatbuffer.summary(tensor)}; "
            f"expected a quantized uint8[1, 1, 1, n]. {_EXPECTED}"
        )
