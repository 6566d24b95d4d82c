"""A tflite to the float network and back: the same codes."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from pipeline.models.float_module.float_network import Range
from pipeline.models.float_module.tflite import from_tflite, to_tflite
from pipeline.models.tflite import flatbuffer
from pipeline.models.tflite.stand_in import is_stand_in, stand_in
from pipeline.models.tflite.two_head import two_head
from tests.helpers.pictures import block_pictures
from tests.helpers.run_tflite import run_tflite
from transforms.errors import UserError


def test_weights_have_the_layout_of_tensorflow() -> None:
    stem, depthwise, *_, logits = from_tflite(stand_in()).layers
    assert stem.weights.shape == (3, 3, 3, 8)
    assert depthwise.weights.shape == (3, 3, 8, 1)
    assert logits.weights.shape == (1, 1, 256, 1001)
    assert stem.weights.dtype == stem.bias.dtype == np.float32
    assert stem.output_range == Range(0.0, 6.0)
    assert logits.output_range == pytest.approx((-0.13 * 128, 0.13 * 127))


def test_weights_are_the_dequantized_codes() -> None:
    tflite = stand_in()
    model = flatbuffer.read(tflite)
    (tensor,) = (
        t
        for t in model.subgraphs[0].tensors
        if flatbuffer.name(t).endswith("Conv2d_1_depthwise/weights_quant/FakeQuantWithMinMaxVars")
    )
    codes = np.asarray(model.buffers[tensor.buffer].data).reshape(1, 3, 3, 8)
    scale, zero_point = tensor.quantization.scale[0], tensor.quantization.zeroPoint[0]
    found = from_tflite(tflite).layers[1].weights
    assert found[2, 1, 5, 0] == pytest.approx((int(codes[0, 2, 1, 5]) - zero_point) * scale)


@pytest.mark.parametrize(("multiplier", "size"), [(0.25, 128), (0.75, 192)])
def test_there_and_back_gives_the_same_answers(multiplier: float, size: int) -> None:
    tflite = stand_in(multiplier=multiplier, size=size)
    again = to_tflite(from_tflite(tflite))
    pictures = block_pictures(4, size=size)
    for made, given in zip(
        run_tflite(again, pictures), run_tflite(two_head(tflite), pictures), strict=True
    ):
        np.testing.assert_array_equal(made, given)
    assert to_tflite(from_tflite(again)) == again
    assert not is_stand_in(again)


def test_published_models_come_back_code_for_code(shared: Path) -> None:
    for name in ("0.25_128", "0.5_160"):
        tflite = (shared / f"models/mobilenet_v1_{name}_quant.tflite").read_bytes()
        given = _constants(two_head(tflite))
        made = _constants(to_tflite(from_tflite(tflite)))
        assert given.keys() == made.keys()
        for tensor in given:
            np.testing.assert_array_equal(given[tensor], made[tensor], err_msg=tensor)


def _constants(tflite: bytes) -> dict[str, np.ndarray]:
    """Bytes of every constant, without those of the reshape that the rewrite leaves behind."""
    model = flatbuffer.read(tflite)
    tensors = {flatbuffer.name(t): model.buffers[t.buffer].data for t in model.subgraphs[0].tensors}
    return {name: np.asarray(data) for name, data in tensors.items() if data is not None}


def test_a_network_without_ranges_cannot_be_quantized() -> None:
    with pytest.raises(ValueError, match="Conv2d_0 has no range"):
        to_tflite(from_tflite(stand_in()).without_ranges())


def test_a_scale_for_each_channel_is_refused() -> None:
    model = flatbuffer.read(stand_in())
    (weights,) = (
        t
        for t in model.subgraphs[0].tensors
        if flatbuffer.name(t).endswith("Conv2d_0/weights_quant/FakeQuantWithMinMaxVars")
    )
    weights.quantization = schema.QuantizationParametersT(scale=[0.1] * 8, zeroPoint=[128] * 8)
    with pytest.raises(UserError, match=r"Conv2d_0.* uint8\[8, 3, 3, 3\] has scale and zero point"):
        from_tflite(flatbuffer.write(model))


def test_another_input_quantization_is_refused() -> None:
    model = flatbuffer.read(stand_in())
    model.subgraphs[0].tensors[0].quantization.zeroPoint = [0]
    with pytest.raises(UserError, match=r"input uint8\[1, 128, 128, 3\] has scale .*0\.0078125, 0"):
        from_tflite(flatbuffer.write(model))


def test_quantized_needs_every_range() -> None:
    network = from_tflite(stand_in())
    assert network.is_quantized
    first, *others = network.layers
    partly = dataclasses.replace(
        network, layers=(dataclasses.replace(first, output_range=None), *others)
    )
    assert not partly.is_quantized
