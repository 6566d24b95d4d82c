"""What rounding does to a network on average, and what is left of it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import tensorflow as tf

from pipeline.models.convert import plain
from pipeline.models.convert.bias_correction import corrected
from pipeline.models.tflite import flatbuffer
from tests.helpers.pictures import block_pictures
from transforms.network.litert import LiteRtModel
from transforms.network.pixel_values import PixelValues

keras = tf.keras

SAMPLE = list(block_pictures(40, size=32))
TAKEN = PixelValues(dtype="float32", mean=(127.5,), std=(127.5,))


@pytest.fixture(scope="module")
def converted() -> tuple[bytes, bytes]:
    """A network as the converter quantizes it, and in float: all kinds of layers with weights.

    In one layer a large weight leaves the others below half a step, so that they become 0.
    """
    keras.utils.set_random_seed(1)
    source = keras.Input((32, 32, 3))
    x = keras.layers.Conv2D(8, 3, strides=2, activation="relu")(source)
    x = keras.layers.DepthwiseConv2D(3, padding="same", activation="relu")(x)
    x = keras.layers.Conv2D(16, 1, activation="relu")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(source, keras.layers.Dense(6, bias_initializer="random_normal")(x))
    small = np.full((1, 1, 8, 16), 0.06, np.float32)
    small[..., 0, :] = -16
    model.layers[3].set_weights([small, np.full(16, 2, np.float32)])
    spec = tf.TensorSpec([None, 32, 32, 3], tf.float32)
    function = tf.function(lambda images: model(images)).get_concrete_function(spec)
    float_file = tf.lite.TFLiteConverter.from_concrete_functions([function]).convert()
    return plain._quantized(function, SAMPLE, TAKEN), float_file


def _means(tflite: bytes, taken: PixelValues) -> npt.NDArray[np.float32]:
    means: npt.NDArray[np.float32] = (
        LiteRtModel(tflite, batch_size=1, pixel_values=taken).run(SAMPLE)[0].mean(axis=0)
    )
    return means


def test_the_mean_of_each_logit_comes_back(converted: tuple[bytes, bytes]) -> None:
    quantized, float_file = converted
    expected = _means(float_file, TAKEN)
    before = np.abs(_means(quantized, PixelValues()) - expected).sum()
    mended = corrected(quantized, float_file, SAMPLE, TAKEN)
    after = np.abs(_means(mended, PixelValues()) - expected).sum()
    assert after < before / 2


def test_nothing_but_biases_changes(converted: tuple[bytes, bytes]) -> None:
    quantized, float_file = converted
    before = flatbuffer.read(quantized)
    after = flatbuffer.read(corrected(quantized, float_file, SAMPLE, TAKEN))
    changed = [
        flatbuffer.dtype(old)
        for old, new in zip(before.subgraphs[0].tensors, after.subgraphs[0].tensors, strict=True)
        if not np.array_equal(before.buffers[old.buffer].data, after.buffers[new.buffer].data)
    ]
    assert changed == ["int32"] * 4


def test_a_network_of_other_layers_is_left_alone(converted: tuple[bytes, bytes]) -> None:
    quantized, float_file = converted
    other = flatbuffer.read(float_file)
    other.subgraphs[0].operators = other.subgraphs[0].operators[1:]
    assert corrected(quantized, flatbuffer.write(other), SAMPLE, TAKEN) == quantized
