"""The simulation gives what the tflite gives, code for code, in every layer."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from pipeline.models.convert.taps import TappedNetwork, TappedTflite
from pipeline.models.float_module.graph import FloatModule
from pipeline.models.float_module.tflite import from_tflite
from pipeline.models.tflite.architecture import MULTIPLIERS, SIZES
from pipeline.models.tflite.stand_in import stand_in
from tests.helpers.pictures import block_pictures
from transforms.images.preprocess import unit_range


@pytest.mark.parametrize(("multiplier", "size"), [(0.25, 128), (0.5, 160)])
def test_every_layer_of_a_stand_in_is_the_same(multiplier: float, size: int) -> None:
    tflite = stand_in(multiplier=multiplier, size=size)
    pictures = block_pictures(4, size=size)
    _assert_equal(tflite, pictures)


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("multiplier", MULTIPLIERS)
def test_every_layer_of_the_whole_family_is_the_same(multiplier: float, size: int) -> None:
    _assert_equal(stand_in(multiplier=multiplier, size=size), block_pictures(2, size=size))


def test_every_layer_of_the_published_model_is_the_same(shared: Path) -> None:
    tflite = (shared / "models/mobilenet_v1_0.25_128_quant.tflite").read_bytes()
    _assert_equal(tflite, np.load(shared / "golden/eval_tool.npz")["images"][:32])


def _assert_equal(tflite: bytes, pictures: np.ndarray) -> None:
    expected = TappedTflite(tflite)
    found = TappedNetwork(from_tflite(tflite)).run(pictures)
    for name, values in expected.run(pictures).items():
        steps = (found[name] - values) / np.float32(expected.steps[name])
        assert np.abs(steps).max() < 0.001, name


def test_without_ranges_nothing_is_rounded() -> None:
    network = from_tflite(stand_in()).without_ranges()
    logits, features = FloatModule(network).heads(unit_range(block_pictures(2)))
    assert (logits.shape, features.shape) == ((2, 1001), (2, 256))
    for values, step in ((logits, 0.13), (features, 6 / 255)):
        steps = values.numpy() / step
        assert np.mean(np.abs(steps - np.rint(steps)) < 0.01) < 0.3


def test_the_mapping_of_the_module_is_another() -> None:
    network = dataclasses.replace(from_tflite(stand_in()), input_range="unit")
    module = FloatModule(network)
    images = np.array([0, 1 / 255, 128 / 255, 1], np.float32).reshape(4, 1, 1, 1)
    fed, scale = module._preprocessed(np.broadcast_to(images, (4, 128, 128, 3)))
    assert scale == pytest.approx(2.001 / 255)
    steps = fed.numpy()[:, 0, 0, 0] / scale
    np.testing.assert_allclose(steps, [-127, -126, 0, 127], atol=1e-3)


def test_an_image_of_another_size_is_refused() -> None:
    module = FloatModule(from_tflite(stand_in()))
    with pytest.raises((ValueError, tf.errors.InvalidArgumentError), match=r"shape .*128,128,3"):
        module.heads(np.zeros((1, 96, 96, 3), np.float32))
