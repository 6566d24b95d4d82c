"""The list of layers, against the published table and what files hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.models.store.store import model_names
from pipeline.models.tflite.architecture import (
    MULTIPLIERS,
    SIZES,
    Layer,
    architecture,
    macs,
    parameters,
)
from pipeline.models.tflite.info import describe
from pipeline.models.tflite.stand_in import stand_in
from transforms.errors import UsageError


def test_the_layers_of_the_default_model() -> None:
    layers = architecture(multiplier=0.25, size=128)
    assert len(layers) == 28
    assert layers[0] == Layer("Conv2d_0", False, 3, 2, 3, 8, 64)
    assert layers[1] == Layer("Conv2d_1_depthwise", True, 3, 1, 8, 8, 64)
    assert layers[3] == Layer("Conv2d_2_depthwise", True, 3, 2, 16, 16, 32)
    assert layers[26] == Layer("Conv2d_13_pointwise", False, 1, 1, 256, 256, 4)
    assert layers[27] == Layer("Logits/Conv2d_1c_1x1", False, 1, 1, 256, 1001, 1)


def test_scopes_are_those_of_tf_slim() -> None:
    first, *_, last = architecture(multiplier=1.0, size=224)
    assert first.variables == "MobilenetV1/Conv2d_0"
    assert first.operations == "MobilenetV1/MobilenetV1/Conv2d_0"
    assert last.variables == last.operations == "MobilenetV1/Logits/Conv2d_1c_1x1"


@pytest.mark.parametrize(
    ("multiplier", "millions"), [(1.0, 4.24), (0.75, 2.59), (0.5, 1.34), (0.25, 0.47)]
)
def test_parameters_round_to_the_published_millions(multiplier: float, millions: float) -> None:
    """The published counts have a mean and a variance more for each normalized channel."""
    layers = architecture(multiplier=multiplier, size=224)
    statistics = 2 * sum(layer.depth for layer in layers if not layer.is_logits)
    assert round((parameters(layers) + statistics) / 1e6, 2) == millions


@pytest.mark.parametrize(
    ("multiplier", "size", "millions"), [(1.0, 224, 569), (0.5, 160, 77), (0.25, 128, 14)]
)
def test_multiply_adds_round_to_the_published_millions(
    multiplier: float, size: int, millions: int
) -> None:
    assert round(macs(architecture(multiplier=multiplier, size=size)) / 1e6) == millions


@pytest.mark.parametrize("multiplier", MULTIPLIERS)
@pytest.mark.parametrize("size", SIZES)
def test_a_file_of_every_size_holds_what_its_layers_say(multiplier: float, size: int) -> None:
    assert f"mobilenet_v1_{multiplier}_{size}_quant" in model_names()
    layers = architecture(multiplier=multiplier, size=size)
    info = describe(stand_in(multiplier=multiplier, size=size))
    assert (info.parameters, info.macs) == (parameters(layers), macs(layers))


@pytest.mark.parametrize(("multiplier", "size"), [(0.25, 128), (0.5, 160)])
def test_the_published_files_hold_the_same(shared: Path, multiplier: float, size: int) -> None:
    layers = architecture(multiplier=multiplier, size=size)
    path = shared / f"models/mobilenet_v1_{multiplier}_{size}_quant.tflite"
    info = describe(path.read_bytes())
    assert (info.parameters, info.macs) == (parameters(layers), macs(layers))


def test_what_was_not_published_is_refused() -> None:
    with pytest.raises(UsageError, match=r"multiplier 0\.3 exists; use 0\.25, 0\.5, 0\.75 or 1\.0"):
        architecture(multiplier=0.3, size=128)
    with pytest.raises(UsageError, match="input size 96 exists; use 128, 160, 192 or 224"):
        architecture(multiplier=0.25, size=96)
