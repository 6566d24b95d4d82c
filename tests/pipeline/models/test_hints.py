from __future__ import annotations

from typing import Any

import pytest

from pipeline.models.hints import NetworkHints
from transforms.errors import UsageError


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"classes": ""}, "--classes: expected a file, or imagenet, found ''"),
        ({"outputs": "odds"}, "--outputs: expected one of logits, scores, features, found 'odds'"),
        (
            {"input_range": "0..1"},
            "--input-range: expected one of byte, unit, symmetric, found '0..1'",
        ),
        (
            {"embedding_tensor": ""},
            "--embedding-tensor: expected the name of a tensor, or none, found ''",
        ),
    ],
)
def test_values_that_cannot_work_are_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as raised:
        NetworkHints(**given)
    assert str(raised.value) == message
