from __future__ import annotations

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from pipeline.models.hints import NetworkHints
from pipeline.models.tflite import flatbuffer
from pipeline.models.tflite.batch import open_batch, take_one_picture
from pipeline.models.tflite.info import describe
from pipeline.models.tflite.load import load
from tests.helpers.networks import own_network
from transforms.errors import UserError
from transforms.network.classes import Classes

HINTS = NetworkHints(classes=Classes.own(["a", "b", "c", "d", "e"]))


def _reshapes(model: schema.ModelT) -> list[list[int]]:
    graph = model.subgraphs[0]
    found = []
    for each in graph.operators:
        if flatbuffer.operator_name(flatbuffer.operator_code(model, each)) == "RESHAPE":
            shape = flatbuffer.constant(model, graph.tensors[each.inputs[1]])
            assert shape is not None
            found.append(shape.tolist())
    return found


def _of_four() -> schema.ModelT:
    """A network as the converter writes one whose batch is 4."""
    model = flatbuffer.read(own_network(5))
    graph = model.subgraphs[0]
    results = [i for operator in graph.operators for i in flatbuffer.indices(operator.outputs)]
    for index in (*flatbuffer.indices(graph.inputs), *results):
        tensor = graph.tensors[index]
        tensor.shape = [4, *flatbuffer.indices(tensor.shape)[1:]]
    (reshape,) = (
        each
        for each in graph.operators
        if flatbuffer.operator_name(flatbuffer.operator_code(model, each)) == "RESHAPE"
    )
    shape = np.array([4, 5], "<i4")
    reshape.builtinOptions.newShape = shape
    model.buffers[graph.tensors[reshape.inputs[1]].buffer].data = shape.view(np.uint8)
    return model


def test_a_network_of_four_pictures_becomes_one_of_a_single_one() -> None:
    model = _of_four()
    take_one_picture(model)
    graph = model.subgraphs[0]
    shapes = [flatbuffer.indices(graph.tensors[i].shape) for i in (*graph.inputs, *graph.outputs)]
    assert shapes == [[1, 128, 128, 3], [1, 5]]
    assert _reshapes(model) == [[1, 5]]


def test_what_runs_is_the_same_whatever_batch_the_file_was_made_for() -> None:
    of_four = load(flatbuffer.write(_of_four()), name="four", hints=HINTS)
    assert of_four.content == load(own_network(5), name="one", hints=HINTS).content
    assert describe(flatbuffer.write(_of_four()), HINTS).input.shape == (1, 128, 128, 3)


def test_frames_of_which_one_output_is_made_are_no_batch() -> None:
    model = _of_four()
    graph = model.subgraphs[0]
    graph.tensors[graph.outputs[0]].shape = [1, 5]
    with pytest.raises(UserError, match=r"its inputs are .* uint8\[4, 128, 128, 3\]; expected one"):
        load(flatbuffer.write(model), name="video", hints=HINTS)


def test_the_batch_is_opened() -> None:
    model = flatbuffer.read(own_network(5))
    open_batch(model)
    graph = model.subgraphs[0]
    for index in (*graph.inputs, *graph.outputs):
        assert graph.tensors[index].shapeSignature[0] == -1
    assert _reshapes(model) == [[-1, 5]]
