"""Options of a conversion."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.models.convert.options import ExportOptions
from transforms.errors import UsageError


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"to": "onnx"}, "--to: expected savedmodel or tflite, found 'onnx'"),
        ({"input_range": "half"}, "--input-range: expected byte or unit, found 'half'"),
        ({"to": "tflite", "input_range": "byte"}, "--input-range is for --to savedmodel"),
        ({"post_training": "photos"}, "--post-training makes a tflite; add --to tflite"),
    ],
)
def test_options_that_cannot_work_are_refused(values: dict[str, Any], message: str) -> None:
    given: dict[str, Any] = {"model": "m", "to": "savedmodel", "output": "o", **values}
    with pytest.raises(UsageError, match=message):
        ExportOptions(**given)
