"""Plain models of TensorFlow 2 through post-training quantization, labelled afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from pipeline.cli import main
from pipeline.models.convert.plain import Agreement, _agreement, is_plain, quantize_plain
from pipeline.run.folder.finished import open_run
from tests.helpers.pictures import block_pictures
from transforms.errors import UserError

keras = tf.keras


def _model(*, rescaled: bool) -> Any:
    """Two layers whose classes are spread over pictures of coarse blocks."""
    keras.utils.set_random_seed(0)
    source = keras.Input((64, 64, 3))
    x = keras.layers.Rescaling(1 / 127.5, offset=-1)(source) if rescaled else source
    x = keras.layers.Conv2D(16, 5, strides=4, activation="relu")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    scores = keras.layers.Dense(4, activation="softmax", kernel_initializer="he_uniform")(x)
    return keras.Model(source, scores)


@pytest.fixture(scope="module", params=["saved", "model.keras", "model.h5"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("plain") / request.param
    made = _model(rescaled=request.param == "saved")
    if request.param == "saved":
        made.export(str(path), verbose=False)
    else:
        made.save(path)
    return Path(path)


def test_it_becomes_a_network_that_labels_alike(
    model: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "net.tflite"
    words = ["--model", model, "--to", "tflite", "--output", out, "--post-training", photos]
    assert main(["model", "export", *map(str, words)]) == 0
    said = capsys.readouterr().out
    assert "% as the float model" in said
    assert "three best  100.00 % hold the float model's class" in said
    (tmp_path / "labels.txt").write_text("a\nb\nc\nd\n", "utf-8")
    words = ["--quiet", "--input", photos, "--output", tmp_path / "rows", "--model", out]
    assert main(["label", *map(str, words)]) == 0
    manifest = open_run(str(tmp_path / "rows")).manifest
    assert (manifest.predictions, manifest.model.outputs) == (10, "logits")
    assert manifest.model.pixel_values == "the byte"


def test_label_says_what_to_type_next(
    model: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--quiet", "--input", photos, "--output", tmp_path / "rows", "--model", model]
    assert main(["label", *map(str, words)]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    command = f"--model {model} --to tflite --output {model.stem}.tflite --post-training {photos}"
    assert said.endswith(f"first: quantlabel model export {command}\n")


def test_without_pictures_nothing_can_be_made_of_it(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--model", model, "--to", "tflite", "--output", tmp_path / "net.tflite"]
    assert main(["model", "export", *map(str, words)]) == 1
    assert "is a float model without quantization ranges" in capsys.readouterr().err


def test_what_the_converter_does_not_take_is_one_line(tmp_path: Path) -> None:
    class Strange(tf.Module):  # type: ignore[misc]
        @tf.function(input_signature=[tf.TensorSpec([None, 8, 8, 3], tf.float32)])  # type: ignore[untyped-decorator]
        def scores(self, images: Any) -> Any:
            values = tf.reduce_mean(images, [1, 2])
            return tf.math.betainc(values, values, values)

    module = Strange()
    tf.saved_model.save(module, str(tmp_path / "strange"), signatures=module.scores)
    with pytest.raises(UserError, match=r"strange: cannot be converted: ") as caught:
        quantize_plain(str(tmp_path / "strange"), block_pictures(1, size=8))
    assert "\n" not in str(caught.value)


def test_nine_first_classes_of_ten_stay(model: Path) -> None:
    _, found = quantize_plain(str(model), block_pictures(100, size=64))
    assert found.pictures == 100
    assert found.first >= 90
    assert found.close >= 99


def test_the_agreement_names_what_differs() -> None:
    expected = np.array([[3, 2, 1, 0], [0, 1, 2, 3], [0, 1, 2, 3]], np.float32)
    found = np.array([[3, 2, 1, 0], [3, 2, 1, 0], [0, 1, 3, 2]], np.float32)
    assert _agreement(expected, found) == Agreement(3, 1, 2, ((3, 0, 1), (3, 2, 1)))


def test_what_is_ours_or_published_is_not_plain(saved_model: Path, model: Path) -> None:
    assert is_plain(str(model))
    assert not is_plain(str(saved_model))
    assert not is_plain("mobilenet_v1_0.25_128_quant")


def test_a_file_that_keras_cannot_load_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "x.keras").write_bytes(b"no model")
    with pytest.raises(UserError, match=r"x\.keras: Keras cannot load it: "):
        quantize_plain(str(tmp_path / "x.keras"), block_pictures(1))
