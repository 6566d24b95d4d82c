"""Variables alone; `test_source.py` has whole checkpoints, folded as their graph folds them."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.models.float_module.variables import from_variables, names
from pipeline.models.tflite.architecture import architecture
from transforms.errors import UserError


def test_names_are_those_of_tf_slim() -> None:
    first, second, *_ = architecture(multiplier=0.25, size=128)
    assert names(first).weights == "MobilenetV1/Conv2d_0/weights"
    assert names(second).weights == "MobilenetV1/Conv2d_1_depthwise/depthwise_weights"
    assert names(second).output_range == (
        "MobilenetV1/MobilenetV1/Conv2d_1_depthwise/act_quant/min",
        "MobilenetV1/MobilenetV1/Conv2d_1_depthwise/act_quant/max",
    )


def test_what_has_none_of_them_is_named_with_what_it_has() -> None:
    with pytest.raises(UserError) as raised:
        from_variables({"dense/kernel": np.zeros((2, 2))}, size=128, what="x.ckpt")
    assert str(raised.value).startswith(
        "x.ckpt: it has no variable MobilenetV1/Conv2d_13_pointwise/weights as TF-Slim's MobileNet"
        " V1 has; it has 1, the first of which are dense/kernel."
    )
