"""What is written answers as the public module did, and whoever reads SavedModels reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from pipeline.models.float_module import savedmodel
from pipeline.models.float_module.source import read_network
from pipeline.models.float_module.tflite import from_tflite, to_tflite
from pipeline.models.tflite.stand_in import stand_in
from pipeline.models.tflite.two_head import two_head
from tests.helpers.pictures import block_pictures
from tests.helpers.run_tflite import run_tflite
from transforms.errors import UserError
from transforms.images.preprocess import unit_range

PICTURES = block_pictures(8)


@pytest.fixture(scope="module")
def loaded(saved_model: Path) -> Any:
    return tf.saved_model.load(str(saved_model))


def test_the_signatures_take_and_give_what_the_module_did(loaded: Any) -> None:
    assert sorted(loaded.signatures) == [
        "default",
        "heads",
        "image_classification",
        "image_feature_vector",
        "serving_default",
    ]
    for name, width in (("image_classification", 1001), ("image_feature_vector", 256)):
        signature = loaded.signatures[name]
        assert signature.structured_input_signature == (
            (),
            {"images": tf.TensorSpec((None, 128, 128, 3), tf.float32, "images")},
        )
        assert signature.structured_outputs["default"].shape == (None, width)
        assert signature.structured_outputs["default"].dtype == tf.float32


def test_they_answer_like_the_tflite(loaded: Any) -> None:
    logits, features = run_tflite(two_head(stand_in()), PICTURES)
    images = tf.constant(unit_range(PICTURES))
    expected = {
        "image_classification": (logits.astype(np.float32) - 128) * np.float32(0.13),
        "image_feature_vector": features * np.float32(6 / 255),
    }
    for name, values in expected.items():
        found = loaded.signatures[name](images=images)["default"]
        np.testing.assert_allclose(found, values, atol=1e-5)
    for name in ("default", "serving_default"):
        np.testing.assert_allclose(
            loaded.signatures[name](images=images)["default"],
            expected["image_classification"],
            atol=1e-5,
        )


def test_a_session_of_tensorflow_1_runs_it_as_serving_does(saved_model: Path) -> None:
    """By tag and by the names of tensors in the signature, as the C++ loader does."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        graph = tf.compat.v1.saved_model.load(session, ["serve"], str(saved_model))
        signature = graph.signature_def["serving_default"]
        assert signature.method_name == "tensorflow/serving/predict"
        logits = session.run(
            signature.outputs["default"].name,
            {signature.inputs["images"].name: unit_range(PICTURES)},
        )
    codes, _ = run_tflite(two_head(stand_in()), PICTURES)
    np.testing.assert_array_equal(np.rint(logits / 0.13) + 128, codes)


def test_images_of_another_size_or_type_are_refused(loaded: Any) -> None:
    classify = loaded.signatures["image_classification"]
    expected = r"\[1,160,160,3\] is not compatible with expected shape \[\?,128,128,3\]"
    with pytest.raises(tf.errors.InvalidArgumentError, match=expected):
        classify(images=tf.zeros([1, 160, 160, 3]))
    with pytest.raises(tf.errors.InvalidArgumentError, match="a float tensor"):
        classify(images=tf.zeros([1, 128, 128, 3], tf.uint8))


def test_the_image_size_is_in_the_signatures(saved_model: Path) -> None:
    assert savedmodel.image_size(saved_model) == 128


def test_it_is_read_back_to_the_same_tflite(saved_model: Path) -> None:
    network = read_network(str(saved_model))
    assert network.is_quantized
    assert network.input_range == "byte"
    assert to_tflite(network) == to_tflite(from_tflite(stand_in()))


def test_an_existing_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("x")
    with pytest.raises(UserError, match=r"exists already\. Name a new folder"):
        savedmodel.save(from_tflite(stand_in()), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match="cannot be written"):
        savedmodel.save(from_tflite(stand_in()), tmp_path / "file/model")


def test_a_damaged_savedmodel_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").write_bytes(b"\xff" * 100)
    with pytest.raises(UserError, match=r"saved_model\.pb: cannot be read"):
        savedmodel.image_size(tmp_path)
    with pytest.raises(UserError, match="TensorFlow cannot load it"):
        savedmodel.read_variables(tmp_path)


def test_a_savedmodel_without_images_says_what_it_has(tmp_path: Path) -> None:
    module = tf.Module()
    spec = tf.TensorSpec([None, 3], tf.float32, "x")
    double = tf.function(lambda x: {"y": 2 * x}, input_signature=[spec])
    tf.saved_model.save(module, str(tmp_path), signatures={"double": double})
    with pytest.raises(UserError, match=r"expected a signature image_classification.*double\(x\)"):
        savedmodel.image_size(tmp_path)
