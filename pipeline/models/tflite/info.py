"""What a model file holds, read from the file without running it."""

from __future__ import annotations

import dataclasses
import hashlib
import math
from typing import Any, Final

from ai_edge_litert import schema_py_generated as schema

from pipeline.models.class_files import LabelFile, classes_of, without_classes
from pipeline.models.hints import NetworkHints
from pipeline.models.tflite import flatbuffer, stand_in
from pipeline.models.tflite.batch import take_one_picture
from pipeline.models.tflite.classifier import Classifier, find_classifier
from pipeline.models.tflite.input_values import pixel_values
from pipeline.models.tflite.metadata import read_metadata
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
        multiplier: Depth multiplier of a MobileNet V1 as published, from the length of the feature
            vector; None of other networks.
        input_size: Rows of the input in pixels; `input` has the columns.
        input: The input.
        outputs: The outputs of the file as it is.
        logits: The head that labels are made from, whether logits or scores; None without classes.
        features: The head that the embedding is made from, or None.
        classes: Number of logits; 0 without classes.
        gives: What `logits` holds, and what says so.
        takes: What is done to a byte of a picture, and what says so.
        labels: What says how the classes are called.
        parameters: Weights and biases, batch normalization folded in.
        macs: Multiplications with an addition for one picture, in all convolutions.
    """

    sha256: str
    file_bytes: int
    stand_in: bool
    multiplier: float | None
    input_size: int
    input: TensorInfo
    outputs: tuple[TensorInfo, ...]
    logits: TensorInfo | None
    features: TensorInfo | None
    classes: int
    gives: str
    takes: str
    labels: str
    parameters: int
    macs: int

    def as_dict(self) -> dict[str, Any]:
        """The same as plain values that `json.dumps` takes."""
        return dataclasses.asdict(self)


def describe(
    tflite: bytes, hints: NetworkHints = NetworkHints(), *, beside: LabelFile | None = None
) -> ModelInfo:
    """Reads what a classifier of pictures holds.

    Args:
        tflite: As published, rewritten by `two_head`, or of one's own.
        hints: What the user says of it.
        beside: The labels that lie beside it.

    Raises:
        UserError: The bytes are not a tflite file, or no classifier; says what was found.
    """
    model = flatbuffer.read(tflite)
    graph = model.subgraphs[0]
    take_one_picture(model)
    metadata = read_metadata(tflite, model)
    labels = metadata.label_file_or(beside)
    found = find_classifier(model, hints, is_named=labels is not None)
    values = pixel_values(model, found.source, metadata, hints.input_range)
    pixels = _tensor_info(graph.tensors[found.source])
    logits = None if found.outputs == "features" else _tensor_info(graph.tensors[found.target])
    features = None if found.vector is None else _tensor_info(graph.tensors[found.vector])
    parameters, macs = _size(model)
    return ModelInfo(
        sha256=hashlib.sha256(tflite).hexdigest(),
        file_bytes=len(tflite),
        stand_in=stand_in.is_stand_in(tflite),
        multiplier=features.shape[-1] / _FULL_FEATURES if features and found.is_published else None,
        input_size=pixels.shape[1],
        input=pixels,
        outputs=tuple(_tensor_info(graph.tensors[i]) for i in flatbuffer.indices(graph.outputs)),
        logits=logits,
        features=features,
        classes=logits.shape[-1] if logits else 0,
        gives=f"{found.outputs}, told by {found.told_by}",
        takes=f"{values.values.in_words()}, told by {values.told_by}",
        labels=_labels(found, logits, hints, labels),
        parameters=parameters,
        macs=macs,
    )


def _labels(
    found: Classifier, logits: TensorInfo | None, hints: NetworkHints, labels: LabelFile | None
) -> str:
    """What says how the classes are called, or why nothing does."""
    try:
        if logits is None:
            told = without_classes(found.told_by, hints)
        else:
            count, is_published = logits.shape[-1], found.is_published
            told = classes_of(count, hints, found=labels, is_published=is_published)
    except UserError as error:
        return str(error)
    return f"{told.classes.vocabulary}, told by {told.told_by}"


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
    """Parameters and multiply-adds of all convolutions; those of other layers are not counted.

    Each weight is used once for every position of the output, in an ordinary convolution as in a
    depthwise one.
    """
    parameters = macs = 0
    for operator in model.subgraphs[0].operators:
        if flatbuffer.operator_code(model, operator) in _CONVOLUTIONS:
            weights, *bias, (_, *positions, _) = _shapes(model.subgraphs[0], operator)
            parameters += math.prod(weights) + sum(map(math.prod, bias))
            macs += math.prod(positions) * math.prod(weights)
    return parameters, macs


def _shapes(graph: schema.SubGraphT, operator: schema.OperatorT) -> list[tuple[int, ...]]:
    """Shapes of the weights, the biases, if there are any, and the output of a convolution."""
    parts = flatbuffer.indices(operator.inputs)[1:] + flatbuffer.indices(operator.outputs)
    shapes = [_shape(graph.tensors[i]) for i in parts if i != -1]
    if [len(shape) for shape in shapes] not in ([4, 1, 4], [4, 4]):
        raise UserError(
            f"a convolution has weights, biases and output of shapes {shapes}; expected one each, "
            "of 4, 1 and 4 dimensions. The file is damaged: fetch it again."
        )
    return shapes


def _shape(tensor: schema.TensorT) -> tuple[int, ...]:
    return tuple(flatbuffer.indices(tensor.shape))
