"""The network of these tests."""

from __future__ import annotations

import pytest

from pipeline.models.tflite.load import load
from pipeline.models.tflite.stand_in import stand_in
from transforms.network.network import Network


@pytest.fixture(scope="module")
def model() -> Network:
    return load(stand_in(), name="stand-in")
