"""The first dimension of a graph, in which pictures lie: 1 in a file, variable in what runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from pipeline.models.tflite import flatbuffer

_VALUES = ("uint8", "int8", "float32")


def take_one_picture(model: schema.ModelT) -> None:
    """Makes a graph for a fixed number of pictures one for a single picture; leaves any other.

    LiteRT computes the shapes of results from that of the input, except for what a reshape says.

    Args:
        model: it is changed if it has one input [n, rows, columns, channels] with n above 1 and all
            its outputs begin with n too.
    """
    graph = model.subgraphs[0]
    ends = [*flatbuffer.indices(graph.inputs), *flatbuffer.indices(graph.outputs)]
    shapes = [flatbuffer.indices(graph.tensors[index].shape) for index in ends]
    count = shapes[0][0] if len(graph.inputs) == 1 and len(shapes[0]) == 4 else 1
    if count < 2 or any(shape[:1] != [count] for shape in shapes):
        return
    for new_shape in _fixed_shapes(model, count):
        if new_shape[0] == count:
            new_shape[0] = 1
    for index in _variables(graph):
        tensor = graph.tensors[index]
        shape = flatbuffer.indices(tensor.shape)
        if shape[:1] == [count]:
            tensor.shape = [1, *shape[1:]]


def open_batch(model: schema.ModelT) -> None:
    """Makes the first dimension variable: of the input, of every result, of fixed new shapes.

    Args:
        model: of one picture; it is changed.
    """
    graph = model.subgraphs[0]
    for index in _variables(graph):
        tensor = graph.tensors[index]
        shape = flatbuffer.indices(tensor.shape)
        if shape[:1] == [1] and flatbuffer.dtype(tensor) in _VALUES:
            tensor.shapeSignature = [-1, *shape[1:]]
    for new_shape in _fixed_shapes(model, 1):
        if new_shape[0] == 1 and -1 not in new_shape:
            new_shape[0] = -1


def _variables(graph: schema.SubGraphT) -> list[int]:
    """The tensors that differ from picture to picture."""
    results = [i for operator in graph.operators for i in flatbuffer.indices(operator.outputs)]
    return [*flatbuffer.indices(graph.inputs), *results]


def _fixed_shapes(model: schema.ModelT, count: int) -> Iterator[Any]:
    """The new shapes int32[rank] of results [count, ...] that are reshaped, to change in place."""
    graph = model.subgraphs[0]
    computed = {i for each in graph.operators for i in flatbuffer.indices(each.outputs)}
    for operator in graph.operators:
        if flatbuffer.operator_code(model, operator) != schema.BuiltinOperator.RESHAPE:
            continue
        source, *rest = flatbuffer.indices(operator.inputs)
        shape = flatbuffer.indices(graph.tensors[source].shape)
        if source not in computed or shape[:1] != [count]:
            continue
        options = operator.builtinOptions
        if getattr(options, "newShape", None) is not None and len(options.newShape):
            options.newShape = np.array(options.newShape, np.int32)
            yield options.newShape
        if rest and rest[0] not in computed:
            buffer = model.buffers[graph.tensors[rest[0]].buffer]
            if buffer.data is not None and len(buffer.data):
                buffer.data = np.array(buffer.data, np.uint8)
                yield buffer.data.view("<i4")
