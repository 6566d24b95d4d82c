"""The rewritten network: two outputs, any batch, the same numbers; refusals that say why."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from pipeline.models.tflite import architecture, flatbuffer
from pipeline.models.tflite.architecture import MULTIPLIERS, SIZES
from pipeline.models.tflite.load import load
from pipeline.models.tflite.stand_in import stand_in
from pipeline.models.tflite.two_head import two_head
from tests.helpers.run_tflite import plain_pictures, run_tflite
from transforms.errors import UserError

LOGITS = "MobilenetV1/Logits/Conv2d_1c_1x1/BiasAdd"
FEATURES = "MobilenetV1/Logits/AvgPool_1a/AvgPool"


def edited(edit: Callable[[schema.ModelT], None]) -> bytes:
    """A stand-in after a change."""
    model = flatbuffer.read(stand_in())
    edit(model)
    return flatbuffer.write(model)


def tensor(model: schema.ModelT, name: str) -> schema.TensorT:
    (found,) = (t for t in model.subgraphs[0].tensors if flatbuffer.name(t) == name)
    return found


@pytest.mark.parametrize("multiplier", MULTIPLIERS)
@pytest.mark.parametrize("size", SIZES)
def test_every_published_size_gets_two_heads(multiplier: float, size: int) -> None:
    model = flatbuffer.read(two_head(stand_in(multiplier=multiplier, size=size)))
    graph = model.subgraphs[0]
    (pixels,) = graph.inputs
    logits, features = graph.outputs
    depth = int(1024 * multiplier)
    assert flatbuffer.summary(graph.tensors[pixels]) == f"input uint8[1, {size}, {size}, 3]"
    assert flatbuffer.summary(graph.tensors[logits]) == f"{LOGITS} uint8[1, 1, 1, 1001]"
    assert flatbuffer.summary(graph.tensors[features]) == f"{FEATURES} uint8[1, 1, 1, {depth}]"
    assert list(graph.tensors[pixels].shapeSignature) == [-1, size, size, 3]
    assert list(graph.tensors[logits].shapeSignature) == [-1, 1, 1, 1001]


def test_the_graph_ends_at_the_logits() -> None:
    graph = flatbuffer.read(two_head(stand_in())).subgraphs[0]
    assert len(graph.operators) == 29  # of 31: the reshape and the softmax are gone
    assert list(graph.operators[-1].outputs) == [graph.outputs[0]]


@pytest.mark.parametrize(("multiplier", "size"), [(0.25, 128), (0.5, 160)])
def test_a_batch_gives_the_same_as_its_pictures_alone(multiplier: float, size: int) -> None:
    tflite = two_head(stand_in(multiplier=multiplier, size=size))
    pictures = plain_pictures(size)
    logits, features = run_tflite(tflite, pictures)
    alone = [run_tflite(tflite, picture[np.newaxis]) for picture in pictures]
    assert logits.shape == (8, 1001)
    assert features.shape == (8, int(1024 * multiplier))
    np.testing.assert_array_equal(logits, [first[0] for first, _ in alone])
    np.testing.assert_array_equal(features, [second[0] for _, second in alone])


def test_the_logits_are_those_that_the_published_scores_come_from() -> None:
    tflite = stand_in()
    logits, _ = run_tflite(two_head(tflite), plain_pictures(128))
    exponentials = np.exp(0.13 * (logits.astype(np.float64) - 128))
    expected = exponentials / exponentials.sum(axis=1, keepdims=True)
    for picture, row in zip(plain_pictures(128), expected, strict=True):
        (scores,) = run_tflite(tflite, picture[np.newaxis])
        np.testing.assert_allclose(scores[0] / 256, row, atol=1 / 256)


def test_the_reference_logits_and_features_come_out_code_for_code(shared: Path) -> None:
    tflite = two_head((shared / "models/mobilenet_v1_0.25_128_quant.tflite").read_bytes())
    golden = np.load(shared / "golden/eval_tool.npz")
    for start in range(0, 200, 64):
        batch = slice(start, start + 64)
        logits, features = run_tflite(tflite, golden["images"][batch])
        np.testing.assert_array_equal(logits, golden["logits"][batch])
        np.testing.assert_array_equal(features, golden["features"][batch])


def test_the_sibling_keeps_its_own_sizes(shared: Path) -> None:
    tflite = (shared / "models/mobilenet_v1_0.5_160_quant.tflite").read_bytes()
    model = load(tflite, name="mobilenet_v1_0.5_160_quant")
    assert (model.input_size, model.feature_size, len(model.classes)) == (160, 512, 1001)
    assert model.sha256 == "eb2136bf4866bf4dae98277b0c29268995397a50979d52fcb3f81314e566dd81"
    logits, features = run_tflite(model.content, plain_pictures(160))
    assert (logits.shape, features.shape) == ((8, 1001), (8, 512))


def test_rewriting_twice_changes_nothing_more() -> None:
    once = two_head(stand_in())
    assert two_head(once) == once
    assert two_head(stand_in()) == once


def test_signatures_that_name_the_old_outputs_are_dropped() -> None:
    def add_signature(model: schema.ModelT) -> None:
        scores = schema.TensorMapT(name="scores", tensorIndex=model.subgraphs[0].outputs[0])
        pixels = schema.TensorMapT(name="pixels", tensorIndex=model.subgraphs[0].inputs[0])
        signature = schema.SignatureDefT(
            signatureKey="serving_default", inputs=[pixels], outputs=[scores]
        )
        model.signatureDefs = [signature]

    tflite = edited(add_signature)
    assert len(flatbuffer.read(tflite).signatureDefs) == 1
    assert flatbuffer.read(two_head(tflite)).signatureDefs is None


@pytest.mark.parametrize("name", [LOGITS, FEATURES])
def test_a_missing_head_is_an_error_that_says_what_is_there(name: str) -> None:
    def rename(model: schema.ModelT) -> None:
        tensor(model, name).name = "somebody/else"

    with pytest.raises(UserError) as caught:
        two_head(edited(rename))
    message = str(caught.value)
    suffix = name.removeprefix("MobilenetV1/")
    assert f"expected one tensor whose name ends in {suffix}, found 0 among 89" in message
    assert "its output is MobilenetV1/Predictions/Reshape_1" in message
    assert "Use a quantized MobileNet V1" in message


def test_two_tensors_of_one_head_are_refused() -> None:
    def duplicate(model: schema.ModelT) -> None:
        tensor(model, "MobilenetV1/Logits/SpatialSqueeze").name = f"copy/{LOGITS}"

    with pytest.raises(UserError, match="found 2 among 89 tensors"):
        two_head(edited(duplicate))


def test_a_float_network_is_refused_by_type() -> None:
    def make_float(model: schema.ModelT) -> None:
        tensor(model, "input").type = schema.TensorType.FLOAT32

    with pytest.raises(UserError, match=r"its inputs are input float32\[1, 128, 128, 3\]; expec"):
        two_head(edited(make_float))


@pytest.mark.parametrize("shape", [[1, 128, 64, 3], [2, 128, 128, 3], [1, 128, 128, 1], [128], []])
def test_an_input_of_another_shape_is_refused(shape: list[int]) -> None:
    def reshape(model: schema.ModelT) -> None:
        tensor(model, "input").shape = shape

    with pytest.raises(UserError, match="expected one uint8"):
        two_head(edited(reshape))


def test_a_second_input_is_refused() -> None:
    def add(model: schema.ModelT) -> None:
        model.subgraphs[0].inputs = [0, 1]

    with pytest.raises(UserError, match="expected one uint8"):
        two_head(edited(add))


def test_a_head_with_a_scale_for_each_channel_is_refused() -> None:
    def rescale(model: schema.ModelT) -> None:
        quantization = tensor(model, FEATURES).quantization
        quantization.scale, quantization.zeroPoint = [0.1] * 256, [0] * 256

    with pytest.raises(UserError, match=f"its head is {FEATURES} .* expected a quantized uint8"):
        two_head(edited(rescale))


@pytest.mark.parametrize("seed", range(60))
def test_damage_is_reported_or_harmless(seed: int) -> None:
    """A few bytes changed around the weights, or the end cut off: never another exception."""
    dice = random.Random(seed)
    tflite = bytearray(stand_in())
    structure = [*range(1_000), *range(len(tflite) - 15_000, len(tflite))]
    for _ in range(1 + seed % 8):
        tflite[dice.choice(structure)] = dice.choice((0, 1, 127, 128, 255))
    if seed % 5 == 0:
        del tflite[dice.randrange(len(tflite)) :]
    try:
        rewritten = two_head(bytes(tflite))
    except UserError:
        return
    assert rewritten[4:8] == b"TFL3"


def test_load_tells_the_sizes_and_the_identity_of_the_original() -> None:
    tflite = stand_in(multiplier=0.5, size=160, seed=3)
    model = load(tflite, name="mine.tflite")
    assert (model.input_size, model.feature_size, len(model.classes)) == (160, 512, 1001)
    assert model.name == "mine.tflite"
    assert model.sha256 == hashlib.sha256(tflite).hexdigest()
    assert model.content == two_head(tflite)


def test_load_begins_its_errors_with_the_name() -> None:
    with pytest.raises(UserError, match=r"^model mine\.tflite: not a TensorFlow Lite file"):
        load(b"hello", name="mine.tflite")


def test_load_refuses_classes_that_have_no_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(architecture, "CLASSES", 10)
    with pytest.raises(UserError, match="model mine: it has 10 classes and nothing says"):
        load(stand_in(), name="mine")
