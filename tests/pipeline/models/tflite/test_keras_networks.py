"""Networks of Keras, as its converter writes them, against a plain LiteRT loop: every bit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from pipeline.models.hints import NetworkHints
from pipeline.models.tflite.load import load
from tests.helpers.pictures import block_pictures
from transforms.network.classes import Classes
from transforms.network.litert import load_model

keras = tf.keras

Pictures = npt.NDArray[np.uint8]


def _symmetric(pictures: Pictures) -> npt.NDArray[Any]:
    return (pictures.astype(np.float32) - 127.5) / 127.5


def _bytes(pictures: Pictures) -> npt.NDArray[Any]:
    return pictures.astype(np.float32)


def _converted(model: Any, kind: str, batch: int | None, values: Callable[..., Any]) -> bytes:
    size = model.input_shape[1]
    spec = tf.TensorSpec([batch, size, size, 3], tf.float32)
    function = tf.function(lambda x: model(x, training=False)).get_concrete_function(spec)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function])
    if kind != "float32":

        def sample() -> Iterator[list[Any]]:
            for picture in values(block_pictures(8, size=size)):
                yield [picture[None]]

        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = sample
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = getattr(tf, kind)
    tflite: bytes = converter.convert()
    return tflite


def _mobilenet(size: int, classes: int) -> Any:
    return keras.applications.MobileNet((size, size, 3), alpha=0.25, weights=None, classes=classes)


def _mobilenet_v2(size: int, classes: int) -> Any:
    return keras.applications.MobileNetV2(
        (size, size, 3), alpha=0.35, weights=None, classes=classes, classifier_activation=None
    )


def _mobilenet_v3(size: int, classes: int) -> Any:
    return keras.applications.MobileNetV3Small(
        (size, size, 3), alpha=0.75, weights=None, classes=classes
    )


CASES = [
    (_mobilenet, 128, 5, "uint8", None, _symmetric, "scores", 256),
    (_mobilenet, 96, 3, "float32", 1, _symmetric, "scores", 256),
    (_mobilenet_v2, 96, 10, "int8", None, _symmetric, "logits", 1280),
    (_mobilenet_v3, 160, 7, "float32", None, _bytes, "scores", 1024),
    (_mobilenet_v3, 96, 7, "uint8", None, _bytes, "scores", 1024),
]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "size", "classes", "kind", "batch", "values", "outputs", "features"), CASES
)
def test_outputs_and_features_are_those_of_a_plain_loop(
    make: Callable[[int, int], Any],
    size: int,
    classes: int,
    kind: str,
    batch: int | None,
    values: Callable[[Pictures], npt.NDArray[Any]],
    outputs: str,
    features: int,
) -> None:
    keras.utils.set_random_seed(0)
    tflite = _converted(make(size, classes), kind, batch, values)
    hints = NetworkHints(classes=Classes.own([f"class {number}" for number in range(classes)]))
    network = load(tflite, name="keras", hints=hints)
    assert (network.outputs, network.feature_size) == (outputs, features)
    pictures = block_pictures(70, size=size, seed=1)
    fed: dict[str, Callable[[Pictures], npt.NDArray[Any]]] = {
        "uint8": lambda x: x,
        "int8": lambda x: (x.astype(int) - 128).astype(np.int8),
    }
    expected = _plain(tflite, fed.get(kind, values)(pictures), network.embedding_tensor)
    model = load_model(network.content, pixel_values=network.pixel_values, batches=network.batches)
    for found, wanted in zip(model.run(list(pictures)), expected, strict=True):
        np.testing.assert_array_equal(found, wanted)


def _plain(
    tflite: bytes, inputs: npt.NDArray[Any], embedding: str
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    interpreter = Interpreter(
        model_content=tflite, num_threads=1, experimental_preserve_all_tensors=True
    )
    interpreter.allocate_tensors()
    (source,), (target,) = interpreter.get_input_details(), interpreter.get_output_details()
    (vector,) = (each for each in interpreter.get_tensor_details() if each["name"] == embedding)
    found: tuple[list[Any], list[Any]] = ([], [])
    for values in inputs:
        interpreter.set_tensor(source["index"], values[None])
        interpreter.invoke()
        for rows, tensor in zip(found, (target, vector), strict=True):
            numbers = interpreter.get_tensor(tensor["index"]).reshape(-1).astype(np.float32)
            if tensor["dtype"] != np.float32:
                scale, zero_point = tensor["quantization"]
                numbers = (numbers - zero_point) * np.float32(scale)
            rows.append(numbers)
    return np.stack(found[0]), np.stack(found[1])
