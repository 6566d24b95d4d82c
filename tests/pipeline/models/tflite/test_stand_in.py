"""The stand-in is the published network in everything but its weights, and its answers vary."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from pipeline.models.tflite import flatbuffer
from pipeline.models.tflite.architecture import MULTIPLIERS, SIZES
from pipeline.models.tflite.stand_in import is_stand_in, stand_in
from pipeline.models.tflite.two_head import two_head
from tests.helpers.run_tflite import plain_pictures, run_tflite
from transforms.errors import UsageError, UserError


def tensors(tflite: bytes) -> dict[str, tuple[str, bool]]:
    """Name -> type and shape, and whether it is a constant."""
    model = flatbuffer.read(tflite)
    return {
        flatbuffer.name(tensor): (
            flatbuffer.summary(tensor),
            model.buffers[tensor.buffer].data is not None,
        )
        for tensor in model.subgraphs[0].tensors
    }


def operators(tflite: bytes) -> list[int]:
    model = flatbuffer.read(tflite)
    codes = [code.builtinCode or code.deprecatedBuiltinCode for code in model.operatorCodes]
    return [codes[operator.opcodeIndex] for operator in model.subgraphs[0].operators]


def test_the_bytes_are_the_same_on_every_machine() -> None:
    digest = hashlib.sha256(stand_in()).hexdigest()
    assert digest == "465f73c296cc73e42921e4c53351c8ca55f3c842a7a66115f71388fe4cd0584a"


def test_the_seed_changes_the_weights_only() -> None:
    first, second = stand_in(seed=0), stand_in(seed=1)
    assert first != second
    assert tensors(first) == tensors(second)


def test_it_has_the_31_operators() -> None:
    average_pool, conv, depthwise, reshape, softmax = 1, 3, 4, 22, 25
    expected = [conv, *[depthwise, conv] * 13, average_pool, conv, reshape, softmax]
    assert operators(stand_in()) == expected


@pytest.mark.parametrize(("multiplier", "size"), [(0.25, 128), (0.5, 160)])
def test_it_is_built_like_the_published_file(shared: Path, multiplier: float, size: int) -> None:
    path = shared / f"models/mobilenet_v1_{multiplier}_{size}_quant.tflite"
    published, made = path.read_bytes(), stand_in(multiplier=multiplier, size=size)
    assert tensors(made) == tensors(published)
    assert operators(made) == operators(published)
    assert pixels_and_scores(made) == pixels_and_scores(published)
    assert options(made) == options(published)


def pixels_and_scores(tflite: bytes) -> list[tuple[float, int] | None]:
    graph = flatbuffer.read(tflite).subgraphs[0]
    return [flatbuffer.quantization(graph.tensors[i]) for i in (*graph.inputs, *graph.outputs)]


def options(tflite: bytes) -> list[str]:
    graph = flatbuffer.read(tflite).subgraphs[0]
    return [f"{vars(operator.builtinOptions)}" for operator in graph.operators]


@pytest.mark.parametrize("multiplier", MULTIPLIERS)
@pytest.mark.parametrize("size", SIZES)
def test_different_pictures_get_different_answers(multiplier: float, size: int) -> None:
    tflite = two_head(stand_in(multiplier=multiplier, size=size))
    logits, features = run_tflite(tflite, plain_pictures(size))
    assert len(set(logits.argmax(axis=1))) >= 7  # of 8 pictures
    assert len(np.unique(features, axis=0)) == 8
    assert 0.4 < np.mean((features > 0) & (features < 255)) < 1
    assert np.mean((logits > 0) & (logits < 255)) > 0.99


def test_a_shifted_edge_changes_the_features() -> None:
    pictures = np.zeros((4, 128, 128, 3), np.uint8)
    for column, picture in zip((20, 50, 80, 110), pictures, strict=True):
        picture[:, column:] = 255
    _, features = run_tflite(two_head(stand_in()), pictures)
    assert len(np.unique(features, axis=0)) == 4


def test_it_is_recognized_also_after_the_rewrite() -> None:
    assert is_stand_in(stand_in())
    assert is_stand_in(two_head(stand_in(multiplier=1.0, size=224)))


def test_another_description_is_not_a_stand_in() -> None:
    model = flatbuffer.read(stand_in())
    for description in (b"TOCO Converted.", None):
        model.description = description
        assert not is_stand_in(flatbuffer.write(model))


def test_the_published_file_is_not_a_stand_in(shared: Path) -> None:
    published = shared / "models/mobilenet_v1_0.25_128_quant.tflite"
    assert not is_stand_in(published.read_bytes())


def test_something_else_is_neither() -> None:
    with pytest.raises(UserError, match="not a TensorFlow Lite file"):
        is_stand_in(b"something else")


def test_a_multiplier_that_was_not_published_is_refused() -> None:
    with pytest.raises(UsageError, match=r"multiplier 0\.3 exists; use 0\.25, 0\.5, 0\.75 or 1\.0"):
        stand_in(multiplier=0.3)


def test_a_size_that_was_not_published_is_refused() -> None:
    with pytest.raises(UsageError, match="input size 96 exists; use 128, 160, 192 or 224"):
        stand_in(size=96)


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_seed_out_of_range_is_refused(seed: int) -> None:
    with pytest.raises(UsageError, match=rf"seed {seed} is out of range; use 0 to 4294967295"):
        stand_in(seed=seed)
