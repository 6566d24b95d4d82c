from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from ai_edge_litert.interpreter import Interpreter

from pipeline.models.class_files import LabelFile
from pipeline.models.hints import NetworkHints
from pipeline.models.tflite import flatbuffer
from pipeline.models.tflite.load import load
from tests.helpers.networks import own_network, with_metadata
from tests.helpers.pictures import block_pictures
from transforms.errors import UserError
from transforms.network.classes import Classes
from transforms.network.litert import load_model

ABC = NetworkHints(classes=Classes.own(["a", "b", "c"]))


def _plain(tflite: bytes, pictures: list[npt.NDArray[np.uint8]]) -> list[list[float]]:
    """Scores of an ordinary LiteRT loop."""
    interpreter = Interpreter(model_content=tflite, num_threads=1)
    interpreter.allocate_tensors()
    (source,), (target,) = interpreter.get_input_details(), interpreter.get_output_details()
    scale, zero_point = target["quantization"]
    scores = []
    for picture in pictures:
        interpreter.set_tensor(source["index"], picture[None])
        interpreter.invoke()
        codes = interpreter.get_tensor(target["index"])[0].astype(np.float32)
        scores.append(((codes - zero_point) * np.float32(scale)).tolist())
    return scores


def test_scores_are_those_of_a_plain_loop() -> None:
    tflite = own_network(3)
    network = load(tflite, name="own", hints=ABC)
    assert (network.outputs, network.feature_size, network.classes.labels) == (
        "scores",
        256,
        ["a", "b", "c"],
    )
    pictures = list(block_pictures(70))
    model = load_model(network.content, batches=network.batches)
    scores, features = model.run(pictures)
    assert scores.tolist() == _plain(tflite, pictures)
    assert features.shape == (70, 256)


def test_a_published_form_with_other_classes_gives_logits() -> None:
    network = load(own_network(3, published_names=True), name="own", hints=ABC)
    assert (network.outputs, network.batches, len(network.classes)) == ("logits", True, 3)
    assert network.embedding_tensor == "MobilenetV1/Logits/AvgPool_1a/AvgPool"


def test_labels_inside_go_before_those_beside() -> None:
    tflite = with_metadata(own_network(2), ["cat", "dog"])
    beside = LabelFile("labels.txt", b"x\ny\n")
    assert load(tflite, name="m", beside=beside).classes.labels == ["cat", "dog"]
    assert load(own_network(2), name="m", beside=beside).classes.labels == ["x", "y"]


def test_it_can_do_without_an_embedding() -> None:
    hints = NetworkHints(classes=Classes.own(["a", "b"]), embedding_tensor="none")
    network = load(own_network(2), name="m", hints=hints)
    assert (network.feature_size, network.embedding_tensor) == (0, "")
    scores, features = load_model(network.content).run(list(block_pictures(1)))
    assert (scores.shape, features.shape) == ((1, 2), (1, 0))


def test_the_name_begins_each_message() -> None:
    with pytest.raises(UserError, match=r"^model own: it has 3 classes and nothing says"):
        load(own_network(3), name="own")


def test_what_litert_cannot_run_is_refused() -> None:
    model = flatbuffer.read(own_network(3))
    first, second = model.subgraphs[0].operators[:2]
    second.inputs = [second.inputs[0], *first.inputs[1:]]
    with pytest.raises(UserError, match=r"^model own: LiteRT cannot run it: "):
        load(flatbuffer.write(model), name="own", hints=ABC)
