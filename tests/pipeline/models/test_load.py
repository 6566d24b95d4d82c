from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.models.load import load_network
from transforms.errors import UserError


def test_a_file_becomes_a_network(stand_in_file: Path) -> None:
    network = load_network(str(stand_in_file))
    assert (network.name, network.kind) == ("stand-in", "tflite")
    assert (network.input_size, network.feature_size, len(network.classes)) == (128, 256, 1001)


def test_what_cannot_run_says_how_to_make_something_that_can(tmp_path: Path) -> None:
    (tmp_path / "x.ckpt.index").touch()
    with pytest.raises(UserError, match=r"quantlabel model export --model .*x\.ckpt --to tflite"):
        load_network(str(tmp_path / "x.ckpt"))


def test_a_keras_model_is_answered_with_the_command_to_type_next(tmp_path: Path) -> None:
    path = tmp_path / "my model.h5"
    path.touch()
    with pytest.raises(UserError) as caught:
        load_network(str(path), pictures="my photos")
    assert str(caught.value) == (
        f"{path} is a Keras model; make a quantized model to run of it first: quantlabel model "
        f"export --model '{path}' --to tflite --output 'my model.tflite' --post-training "
        "'my photos'"
    )


@pytest.mark.parametrize(
    ("model", "said"),
    [("", "unknown model ''"), (".", ". is not a file"), ("/", "/ is not a file")],
)
def test_a_folder_without_a_name_is_no_model(model: str, said: str) -> None:
    with pytest.raises(UserError) as caught:
        load_network(model)
    assert str(caught.value).startswith(said)
