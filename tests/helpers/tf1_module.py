"""Small modules as tensorflow_hub wrote them for TensorFlow 1, quantized in training."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

v1 = tf.compat.v1

SIZE = 32
VECTOR = 16


def write_module(
    folder: Path,
    *,
    classes: int = 5,
    with_logits: bool = True,
    last: Callable[[Any], Any] = lambda logits: logits,
) -> Path:
    """Writes a module: two graphs, one of them to train.

    Args:
        folder: of it.
        classes: that it tells apart.
        with_logits: whether it has the signature image_classification.
        last: what becomes of the logits at the end.
    """
    with tf.Graph().as_default(), v1.Session() as session:
        images = v1.placeholder(tf.float32, [None, SIZE, SIZE, 3], "images")
        logits, features = _network(images, classes)
        answers = {"image_feature_vector": features, "default": features}
        if with_logits:
            answers |= {"image_classification": last(logits), "default": last(logits)}
        session.run(v1.global_variables_initializer())
        write_signatures(folder, session, images, answers)
    return folder


def write_signatures(folder: Path, session: Any, images: Any, answers: dict[str, Any]) -> None:
    """Writes the graph of a session as a module.

    Args:
        folder: of it.
        session: with the values of the variables.
        images: what every signature takes.
        answers: what each of them gives.
    """
    signatures = {
        name: v1.saved_model.predict_signature_def({"images": images}, {"default": output})
        for name, output in answers.items()
    }
    builder = v1.saved_model.Builder(str(folder))
    builder.add_meta_graph_and_variables(session, [], signatures)
    builder.add_meta_graph(["train"], signatures)
    builder.save()
    (folder / "tfhub_module.pb").write_bytes(b"\x08\x03")  # ModuleDef: FORMAT_V3


def _network(images: Any, classes: int) -> tuple[Any, Any]:
    random = np.random.RandomState(7)
    x = tf.quantization.fake_quant_with_min_max_args(images * 2 - 1, -1.0005, 1.0005)
    x = _convolution(x, "stem", random.normal(size=(5, 5, 3, VECTOR)) * 0.25, stride=4)
    x = tf.quantization.fake_quant_with_min_max_args(tf.nn.relu6(x), 0, 6)
    features = tf.nn.avg_pool2d(x, SIZE // 4, 1, "VALID")
    weights = random.normal(size=(1, 1, VECTOR, classes))
    logits = _convolution(features, "logits", weights - weights.mean(axis=3, keepdims=True))
    logits = tf.quantization.fake_quant_with_min_max_args(logits, -9, 9)
    return tf.squeeze(logits, [1, 2]), tf.squeeze(features, [1, 2])


def _convolution(x: Any, name: str, values: Any, *, stride: int = 1) -> Any:
    weights = v1.get_variable(name, initializer=values.astype(np.float32), use_resource=False)
    biases = np.linspace(-0.3, 0.3, values.shape[3], dtype=np.float32)
    biases = v1.get_variable(f"{name}/biases", initializer=biases, use_resource=False)
    largest = float(np.abs(values).max())
    weights = tf.quantization.fake_quant_with_min_max_args(
        weights, -largest, largest, narrow_range=True
    )
    return tf.nn.conv2d(x, weights, stride, "SAME") + biases
