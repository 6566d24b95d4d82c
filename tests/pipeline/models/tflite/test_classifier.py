from __future__ import annotations

from collections.abc import Callable

import pytest
from ai_edge_litert import schema_py_generated as schema

from pipeline.models.hints import NetworkHints
from pipeline.models.tflite import flatbuffer
from pipeline.models.tflite.classifier import find_classifier, is_exact, rewrite
from pipeline.models.tflite.stand_in import stand_in
from tests.helpers.networks import own_network, vector_network
from transforms.errors import UserError
from transforms.network.classes import no_classes


def test_a_network_of_ones_own_is_read_at_its_end() -> None:
    model = flatbuffer.read(own_network(5))
    found = find_classifier(model)
    tensors = model.subgraphs[0].tensors
    assert flatbuffer.indices(tensors[found.target].shape) == [1, 5]
    assert (found.outputs, found.told_by) == ("scores", "the last operator, SOFTMAX")
    assert found.embedding is not None
    assert flatbuffer.indices(tensors[found.embedding].shape) == [1, 1, 1, 256]
    assert not is_exact(model, found)


def test_a_published_one_is_read_before_its_softmax() -> None:
    model = flatbuffer.read(stand_in())
    found = find_classifier(model)
    tensors = model.subgraphs[0].tensors
    assert flatbuffer.indices(tensors[found.target].shape) == [1, 1, 1, 1001]
    assert found.outputs == "logits"
    assert is_exact(model, found)


def test_the_user_may_say_what_it_gives() -> None:
    model = flatbuffer.read(own_network(5))
    found = find_classifier(model, NetworkHints(outputs="logits"))
    assert (found.outputs, found.told_by) == ("logits", "--outputs")
    assert found.target != find_classifier(model).target
    published = flatbuffer.read(stand_in())
    found = find_classifier(published, NetworkHints(outputs="scores"))
    assert [found.target] == flatbuffer.indices(published.subgraphs[0].outputs)


def test_the_user_may_name_the_embedding() -> None:
    model = flatbuffer.read(own_network(5))
    expected = find_classifier(model).embedding
    assert expected is not None
    name = flatbuffer.name(model.subgraphs[0].tensors[expected])
    assert find_classifier(model, NetworkHints(embedding_tensor=name)).embedding == expected
    none = find_classifier(model, NetworkHints(embedding_tensor="none"))
    assert (none.embedding, len(none.heads)) == (None, 1)
    with pytest.raises(UserError, match="--embedding-tensor x: there is no such tensor; the last"):
        find_classifier(model, NetworkHints(embedding_tensor="x"))


def test_a_network_that_ends_in_a_pool_gives_vectors_unless_its_classes_have_names() -> None:
    model = flatbuffer.read(vector_network())
    found = find_classifier(model)
    assert (found.outputs, found.told_by) == ("features", "the last operator, AVERAGE_POOL_2D")
    assert (found.vector, found.heads) == (found.target, [found.target])
    assert find_classifier(model, is_named=True).outputs == "logits"
    assert find_classifier(model, NetworkHints(classes="names.txt")).outputs == "logits"
    assert find_classifier(model, NetworkHints(classes=no_classes())).outputs == "features"
    with pytest.raises(UserError, match=r"^it gives feature vectors and no classes; --embedding"):
        find_classifier(model, NetworkHints(embedding_tensor="none"))


def test_the_user_may_say_that_there_are_no_classes() -> None:
    model = flatbuffer.read(own_network(5))
    found = find_classifier(model, NetworkHints(outputs="features"))
    assert [found.vector] == flatbuffer.indices(model.subgraphs[0].outputs)
    other = find_classifier(model).embedding
    assert other is not None
    name = flatbuffer.name(model.subgraphs[0].tensors[other])
    hints = NetworkHints(outputs="features", embedding_tensor=name)
    assert find_classifier(model, hints).heads == [other]


def test_fixed_shapes_are_opened_for_batches() -> None:
    model = flatbuffer.read(own_network(5))
    rewritten = flatbuffer.read(rewrite(model, find_classifier(model)))
    graph = rewritten.subgraphs[0]
    for index in (*graph.inputs, *graph.outputs):
        assert graph.tensors[index].shapeSignature[0] == -1
    (reshape,) = (
        each
        for each in graph.operators
        if flatbuffer.operator_name(flatbuffer.operator_code(rewritten, each)) == "RESHAPE"
    )
    shape = flatbuffer.constant(rewritten, graph.tensors[reshape.inputs[1]])
    assert shape is not None
    assert shape.tolist() == [-1, 5]


def _two_inputs(graph: schema.SubGraphT) -> None:
    graph.inputs = [int(graph.inputs[0])] * 2


def _huge(graph: schema.SubGraphT) -> None:
    graph.tensors[graph.inputs[0]].shape = [1, 100_000, 100_000, 3]


def _two_outputs(graph: schema.SubGraphT) -> None:
    graph.outputs = [int(graph.outputs[0]), int(graph.operators[-1].inputs[0])]


def _frames(graph: schema.SubGraphT) -> None:
    graph.tensors[graph.inputs[0]].shape = [4, 128, 128, 3]


def _map(graph: schema.SubGraphT) -> None:
    graph.tensors[graph.outputs[0]].shape = [1, 32, 32, 5]


def _text(graph: schema.SubGraphT) -> None:
    graph.tensors[graph.outputs[0]].type = schema.TensorType.STRING


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_two_inputs, "^its inputs are .*, .*; expected one of uint8, int8 or float32"),
        (_frames, r"^its inputs are .* uint8\[4, 128, 128, 3\]; expected"),
        (_huge, r"^its inputs are .*; expected .*, of 4,096 rows and columns at most\. "),
        (_two_outputs, r"^its outputs are .*; expected one, \[1, classes\]\. .* a detector"),
        (_map, r"^its output is .*\[1, 32, 32, 5\]; expected .*; a segmentation network"),
        (_text, r"^its output is .* string\[1, 5\]; expected"),
    ],
)
def test_other_networks_are_refused(
    change: Callable[[schema.SubGraphT], None], message: str
) -> None:
    model = flatbuffer.read(own_network(5))
    change(model.subgraphs[0])
    with pytest.raises(UserError, match=message):
        find_classifier(model)
