"""Ranges and codes, against TensorFlow's own arithmetic."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from pipeline.models.float_module.float_network import UNIT_RANGE, Range, dequantize, quantize
from pipeline.models.tflite.graph import Quantization

RELU6 = Range(0.0, 6.0)
PUBLISHED = Range(-18.159803, 4.547883)
"""Of the weights of Conv2d_1_depthwise in the default model, as its file states it."""


def test_scale_and_zero_point_of_published_weights() -> None:
    found = PUBLISHED.quantization(narrow=True)
    assert found == Quantization(0.08940034359693527, 204)  # as the published file has it


def test_the_range_of_relu6() -> None:
    assert RELU6.quantization(narrow=False) == Quantization(float(np.float32(6 / 255)), 0)


def test_unit_is_off_the_ties_where_minus_one_to_one_is_not() -> None:
    values = np.arange(256, dtype=np.float32) / np.float32(127.5) - 1

    def distance_from_ties(bounds: Range) -> float:
        q = bounds.quantization(narrow=False)
        steps = values / np.float32(q.scale) + q.zero_point
        return float(np.median(np.abs(steps - np.floor(steps) - 0.5)))

    assert distance_from_ties(Range(-1.0, 1.0)) < 0.001
    assert distance_from_ties(UNIT_RANGE) > 0.02


@pytest.mark.parametrize("narrow", [True, False])
@pytest.mark.parametrize("bounds", [RELU6, PUBLISHED, UNIT_RANGE, Range(-0.3, 0.004)])
def test_codes_stand_for_the_values_that_fake_quant_gives(bounds: Range, narrow: bool) -> None:
    values = np.linspace(-20, 7, 5001, dtype=np.float32)
    expected = tf.quantization.fake_quant_with_min_max_vars(
        values, *bounds, num_bits=8, narrow_range=narrow
    ).numpy()
    quantization = bounds.quantization(narrow=narrow)
    found = dequantize(quantize(values, quantization, narrow=narrow), quantization)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_range_gives_its_quantization_back() -> None:
    """To the bit wherever float32 can: the published models' own, and 19 of 20 others."""
    random, lost = np.random.RandomState(0), 0
    for _ in range(2000):
        narrow = bool(random.randint(2))
        scale = float(np.float32(np.exp(random.uniform(-8, 0))))
        q = Quantization(scale, int(random.randint(1, 256)))
        found = Range.of(q, narrow=narrow).quantization(narrow=narrow)
        assert found.zero_point == q.zero_point
        assert found.scale == pytest.approx(q.scale, rel=2e-7)
        lost += found != q
    assert lost < 150
