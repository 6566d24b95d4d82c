"""Which tensors of a graph matter: the input, what is said of each class, the feature vector.

The published networks are one case: there both heads are known by name, and the logits are read
instead of the softmax behind them, whose steps of 1/256 are too coarse to rank by.
"""

from __future__ import annotations

import math
from typing import Any, Final, NamedTuple

from ai_edge_litert import schema_py_generated as schema

from pipeline.models.hints import NO_EMBEDDING, NetworkHints
from pipeline.models.tflite import flatbuffer
from pipeline.models.tflite.batch import open_batch
from transforms.errors import UserError
from transforms.network.classes import MOST, no_classes
from transforms.network.scoring import Outputs

FEATURES: Final = "Logits/AvgPool_1a/AvgPool"
LOGITS: Final = "Logits/Conv2d_1c_1x1/BiasAdd"
"""What the names of the two heads of the published networks end in."""

_Code: Final = schema.BuiltinOperator

_DTYPES: Final = ("uint8", "int8", "float32")

_MOST_ROWS: Final = 4096
"""And columns, of an input: a picture of that size takes 50 MB as bytes."""

_SCORES: Final = (_Code.SOFTMAX, _Code.LOGISTIC)

_POOLS: Final = (
    _Code.MEAN,
    _Code.AVERAGE_POOL_2D,
    _Code.MAX_POOL_2D,
    _Code.REDUCE_MAX,
    _Code.L2_NORMALIZATION,
)
"""Operators that feature vectors come from. Classifiers that end in one name their classes."""

_RESHAPING: Final = (
    _Code.RESHAPE,
    _Code.SQUEEZE,
    _Code.EXPAND_DIMS,
    _Code.QUANTIZE,
    _Code.DEQUANTIZE,
)
"""Operators that give the same numbers in another form."""

_EXACT: Final = (_Code.CONV_2D, _Code.DEPTHWISE_CONV_2D, _Code.AVERAGE_POOL_2D)
"""What the published networks consist of: whole numbers, the pictures of a batch one by one."""

_EXPECTED: Final = "Expected a classifier of pictures"


class Classifier(NamedTuple):
    """Indices of tensors of the first graph, and what they mean.

    Attributes:
        source: the input, [n, rows, columns, channels].
        target: what is read of each class, [n, classes] or [n, 1, 1, classes]; of a network without
            classes the feature vector.
        outputs: what `target` holds.
        told_by: what says so: the last operator, or the user.
        embedding: the feature vector beside the classes, or None.
        is_published: whether the names are those of the published networks.
    """

    source: int
    target: int
    outputs: Outputs
    told_by: str
    embedding: int | None
    is_published: bool

    @property
    def vector(self) -> int | None:
        """The feature vector, wherever it is."""
        return self.target if self.outputs == "features" else self.embedding

    @property
    def heads(self) -> list[int]:
        """What the graph is to give, in order."""
        return [self.target] if self.embedding is None else [self.target, self.embedding]


class _Target(NamedTuple):
    """See `Classifier`."""

    tensor: int
    outputs: Outputs
    told_by: str


def find_classifier(
    model: schema.ModelT, hints: NetworkHints = NetworkHints(), *, is_named: bool = False
) -> Classifier:
    """Finds input, classes and feature vector.

    Args:
        model: the file.
        hints: what the user says of it.
        is_named: whether something names its classes, so that it has some.

    Raises:
        UserError: it is no classifier of pictures, or has no such tensor as the user says.
    """
    graph = _Graph(model)
    source = graph.source()
    published = graph.published()
    embedding: int | None
    if published is not None and hints.outputs in (None, "logits"):
        target, embedding = published
        read = _Target(target, "logits", "the names of the published networks")
    else:
        is_named = is_named or hints.classes not in (None, no_classes())
        read = graph.target(hints.outputs, is_named=is_named)
        if read.outputs == "features":
            return _of_vectors(graph, source, read, hints)
        embedding = graph.embedding(read.tensor)
    graph.require_classes(read.tensor)
    if hints.embedding_tensor == NO_EMBEDDING:
        embedding = None
    elif hints.embedding_tensor is not None:
        embedding = graph.named(hints.embedding_tensor)
    return Classifier(source, *read, embedding, published is not None)


def _of_vectors(graph: _Graph, source: int, read: _Target, hints: NetworkHints) -> Classifier:
    """A network without classes, whose output is the feature vector unless the user names one."""
    if hints.embedding_tensor == NO_EMBEDDING:
        raise UserError(
            "it gives feature vectors and no classes; --embedding-tensor none leaves nothing"
        )
    if hints.embedding_tensor is not None:
        read = read._replace(tensor=graph.named(hints.embedding_tensor))
    else:
        graph.require_classes(read.tensor)
    return Classifier(source, *read, None, False)


def rewrite(model: schema.ModelT, found: Classifier) -> bytes:
    """The graph so that it gives what a run reads, and takes batches.

    Args:
        model: it is changed.
        found: in it.

    Returns:
        A tflite file with the outputs `Classifier.heads`; the first dimension of the input and of
        every result is variable and 1 until the input is resized. The same input gives the same
        bytes.
    """
    graph = model.subgraphs[0]
    graph.operators = _operators_for(graph, set(found.heads))
    graph.outputs = found.heads
    open_batch(model)
    model.signatureDefs = None  # they name the outputs that are gone
    return flatbuffer.write(model)


def is_exact(model: schema.ModelT, found: Classifier) -> bool:
    """Whether the graph computes as the published networks do, which are known to batch."""
    graph = _Graph(model)
    return found.is_published and all(
        graph.code(operator) in _EXACT
        and all(flatbuffer.dtype(graph.tensors[i]) == "uint8" for i in operator.outputs)
        for operator in _operators_for(model.subgraphs[0], set(found.heads))
    )


class _Graph:
    """The first graph of a file, with the operator that makes each tensor."""

    def __init__(self, model: schema.ModelT) -> None:
        self._model = model
        self._graph = model.subgraphs[0]
        self.tensors = self._graph.tensors
        self._maker = {
            index: operator
            for operator in self._graph.operators
            for index in flatbuffer.indices(operator.outputs)
        }

    def code(self, operator: schema.OperatorT) -> int:
        """See `flatbuffer.operator_code`."""
        return flatbuffer.operator_code(self._model, operator)

    def source(self) -> int:
        """The one input, of one picture."""
        found = flatbuffer.indices(self._graph.inputs)
        if len(found) == 1:
            tensor = self.tensors[found[0]]
            shape = flatbuffer.indices(tensor.shape)
            if (
                flatbuffer.dtype(tensor) in _DTYPES
                and (len(shape), shape[:1]) == (4, [1])
                and 1 < min(shape[1:3]) <= max(shape[1:3]) <= _MOST_ROWS
                and shape[3] in (1, 3)
            ):
                return found[0]
        described = ", ".join(map(self._described, found)) or "none"
        raise UserError(
            f"its inputs are {described}; expected one of uint8, int8 or float32[1, rows, "
            f"columns, 3 or 1], of {_MOST_ROWS:,} rows and columns at most. {_EXPECTED}."
        )

    def published(self) -> tuple[int, int] | None:
        """Logits and features of a published network, by their names; None in others."""
        names = [flatbuffer.name(tensor) for tensor in self.tensors]
        heads = [
            [i for i, name in enumerate(names) if name.endswith(suffix) and i in self._maker]
            for suffix in (LOGITS, FEATURES)
        ]
        if [len(found) for found in heads] != [1, 1]:
            return None
        (logits,), (features,) = heads
        return logits, features

    def target(self, told: Outputs | None, *, is_named: bool) -> _Target:
        """What is read of each class, what it holds, and what says so."""
        found = flatbuffer.indices(self._graph.outputs)
        if len(found) != 1:
            described = ", ".join(map(self._described, found)) or "none"
            raise UserError(
                f"its outputs are {described}; expected one, [1, classes]. {_EXPECTED}; a detector "
                "gives boxes besides."
            )
        last = self._last(found[0])
        ends_in_scores = last is not None and self.code(last) in _SCORES
        outputs: Outputs = told or ("scores" if ends_in_scores else "logits")
        if told is None and last is not None and self.code(last) in _POOLS and not is_named:
            outputs = "features"
        operator = flatbuffer.operator_name(self.code(last)) if last else "none"
        told_by = "--outputs" if told else f"the last operator, {operator}"
        if last is not None and ends_in_scores and outputs == "logits":
            return _Target(int(last.inputs[0]), outputs, told_by)
        return _Target(found[0], outputs, told_by)

    def require_classes(self, target: int) -> None:
        """Refuses what is no list of classes."""
        tensor = self.tensors[target]
        shape = flatbuffer.indices(tensor.shape)
        classes = shape[-1] if shape else 0
        if (
            flatbuffer.dtype(tensor) not in _DTYPES
            or len(shape) not in (2, 4)
            or any(length != 1 for length in shape[:-1])
            or not self._has_one_scale(tensor)
            or classes < 1
        ):
            raise UserError(
                f"its output is {self._described(target)}; expected uint8, int8 or float32[1, "
                f"classes]. {_EXPECTED}; a segmentation network gives a "
                "class for each position."
            )
        if classes > MOST:
            raise UserError(f"it has {classes:,} classes; {MOST:,} are the most")

    def embedding(self, target: int) -> int | None:
        """What the last fully connected layer or 1x1 convolution reads; None if that is a map."""
        operator = self._maker.get(target)
        while operator is not None:
            source = self._data(operator)
            if source is None:
                return None
            if self._is_dense(operator):
                return source if self._is_vector(source) else None
            operator = self._maker.get(source)
        return None

    def named(self, name: str) -> int:
        """The tensor that the user calls the feature vector."""
        known = {flatbuffer.name(self.tensors[i]): i for i in self._maker}
        if name not in known:
            vectors = [each for each, i in known.items() if self._is_vector(i)]
            raise UserError(
                f"--embedding-tensor {name}: there is no such tensor; the last vectors are "
                f"{', '.join(vectors[-4:]) or 'none'}"
            )
        tensor = self.tensors[known[name]]
        shape = flatbuffer.indices(tensor.shape)
        fits = flatbuffer.dtype(tensor) in _DTYPES and self._has_one_scale(tensor)
        if not fits or len(shape) < 2 or shape[0] != 1:
            raise UserError(
                f"--embedding-tensor {name}: it is {flatbuffer.summary(tensor)}; expected uint8, "
                "int8 or float32[1, ...]"
            )
        return known[name]

    def _last(self, target: int) -> schema.OperatorT | None:
        """The last operator that does more than give the same numbers in another form."""
        operator = self._maker.get(target)
        while operator is not None and self.code(operator) in _RESHAPING:
            operator = self._maker.get(int(operator.inputs[0]))
        return operator

    def _data(self, operator: schema.OperatorT) -> int | None:
        """The first input that is computed."""
        return next((i for i in flatbuffer.indices(operator.inputs) if i in self._maker), None)

    def _is_dense(self, operator: schema.OperatorT) -> bool:
        if self.code(operator) != _Code.CONV_2D:
            return self.code(operator) == int(_Code.FULLY_CONNECTED)
        weights = flatbuffer.indices(operator.inputs)[1:2]
        return [flatbuffer.indices(self.tensors[i].shape)[1:3] for i in weights] == [[1, 1]]

    def _is_vector(self, index: int) -> bool:
        tensor = self.tensors[index]
        shape = flatbuffer.indices(tensor.shape)
        return (
            flatbuffer.dtype(tensor) in _DTYPES
            and self._has_one_scale(tensor)
            and len(shape) >= 2
            and math.prod(shape) == shape[-1] > 0
        )

    def _has_one_scale(self, tensor: schema.TensorT) -> bool:
        quantized = flatbuffer.quantization(tensor) is not None
        return quantized or flatbuffer.dtype(tensor) == "float32"

    def _described(self, index: int) -> str:
        return flatbuffer.summary(self.tensors[index])


def _operators_for(graph: schema.SubGraphT, wanted: set[int]) -> list[Any]:
    """Those operators, in their order, that it takes to compute the wanted tensors."""
    needed = set(wanted)
    kept = []
    for operator in reversed(graph.operators):
        if needed.intersection(flatbuffer.indices(operator.outputs)):
            needed.update(flatbuffer.indices(operator.inputs))
            kept.append(operator)
    return kept[::-1]
