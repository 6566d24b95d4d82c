"""The Python object: the same answers for both formats, errors that say what was expected."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pipeline import load_model
from pipeline.models.image_model import ImageModel
from pipeline.models.tflite.stand_in import stand_in
from pipeline.models.tflite.two_head import two_head
from tests.helpers.networks import own_network
from tests.helpers.pictures import block_pictures
from tests.helpers.run_tflite import run_tflite
from transforms.images.preprocess import unit_range


@pytest.fixture(scope="module")
def tflite(stand_in_file: Path) -> ImageModel:
    return load_model(str(stand_in_file))


@pytest.fixture(scope="module")
def float_model(saved_model: Path) -> ImageModel:
    return load_model(str(saved_model))


@pytest.fixture(params=["tflite", "float_model"])
def model(request: pytest.FixtureRequest) -> ImageModel:
    found: ImageModel = request.getfixturevalue(request.param)
    return found


def test_it_answers_like_the_tflite_in_batches_of_any_length(model: ImageModel) -> None:
    pictures = block_pictures(70)
    codes, steps = run_tflite(two_head(stand_in()), pictures)
    images = unit_range(pictures)
    logits, features = model.image_classification(images), model.image_feature_vector(images)
    assert logits.dtype == features.dtype == np.float32
    np.testing.assert_allclose(logits, (codes.astype(np.float32) - 128) * 0.13, atol=1e-5)
    np.testing.assert_allclose(features, steps * (6 / 255), atol=1e-5)
    np.testing.assert_array_equal(model.image_classification(images[:3]), logits[:3])


def test_it_is_called_as_the_hub_modules_are(model: ImageModel) -> None:
    images = unit_range(block_pictures(2))
    logits, features = model.image_classification(images), model.image_feature_vector(images)
    np.testing.assert_array_equal(model(images), logits)
    for name in ("default", "image_classification"):
        np.testing.assert_array_equal(model.signatures[name](images=images)["default"], logits)
    found = model.signatures["image_feature_vector"](images=images)["default"]
    np.testing.assert_array_equal(found, features)
    assert list(model.signatures) == ["default", "image_classification", "image_feature_vector"]


def test_what_tensorflow_loads_can_be_called(saved_model: Path, float_model: ImageModel) -> None:
    import tensorflow as tf

    images = unit_range(block_pictures(2))
    logits = tf.saved_model.load(str(saved_model))(images).numpy()
    np.testing.assert_allclose(logits, float_model(images), atol=1e-5)


def test_a_network_of_ones_own_gives_its_scores(tmp_path: Path) -> None:
    (tmp_path / "own.tflite").write_bytes(own_network(3))
    (tmp_path / "names.txt").write_text("a\nb\nc\n", "utf-8")
    model = load_model(str(tmp_path / "own.tflite"), classes=str(tmp_path / "names.txt"))
    assert (model.labels, model.outputs) == (("a", "b", "c"), "scores")
    scores = model(unit_range(block_pictures(2)))
    assert scores.shape == (2, 3)
    np.testing.assert_allclose(scores.sum(axis=1), 1, atol=2 / 256)


def test_no_images_give_no_rows(model: ImageModel) -> None:
    none = np.empty((0, 128, 128, 3), np.float32)
    assert model.image_classification(none).shape == (0, 1001)
    assert model.image_feature_vector(none).shape == (0, 256)


def test_it_says_what_it_is(tflite: ImageModel, float_model: ImageModel) -> None:
    assert tflite.expected_image_size == float_model.expected_image_size == (128, 128)
    assert tflite.name == "stand-in"
    assert tflite.sha256 == "465f73c296cc73e42921e4c53351c8ca55f3c842a7a66115f71388fe4cd0584a"
    assert float_model.name == "stand-in-float"
    assert len(tflite.labels) == 1001
    assert tflite.labels[283] == "tiger cat"


EXPECTED = r"expected images float32\[batch, 128, 128, 3\] in \[0,1\], found "


def test_other_types_are_refused(model: ImageModel) -> None:
    with pytest.raises(TypeError, match=EXPECTED + "uint8; .*unit_range makes them of pixels"):
        model.image_classification(block_pictures(1))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=EXPECTED + "float64"):
        model.image_feature_vector(np.zeros((1, 128, 128, 3)))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=EXPECTED + "list"):
        model.image_classification([[0.5]])  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", [(1, 160, 160, 3), (128, 128, 3), (1, 128, 128, 1)])
def test_other_shapes_are_refused(model: ImageModel, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=EXPECTED + rf"the shape \[{shape[0]}, {shape[1]}, "):
        model.image_classification(np.zeros(shape, np.float32))


@pytest.mark.parametrize(
    ("value", "found"), [(-0.25, "-0.25 to 0"), (255, "0.0 to 255"), (np.nan, "nan")]
)
def test_values_outside_0_to_1_are_refused(model: ImageModel, value: float, found: str) -> None:
    images = np.zeros((1, 128, 128, 3), np.float32)
    images[0, 5, 5, 1] = value
    with pytest.raises(ValueError, match=EXPECTED + f"values from {found}"):
        model.image_feature_vector(images)


def test_a_tflite_needs_no_tensorflow(stand_in_file: Path) -> None:
    script = f"""
import sys
sys.modules["tensorflow"] = None  # what an import that fails leaves
from pipeline import load_model
print(load_model({str(stand_in_file)!r}).expected_image_size)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "(128, 128)\n"
