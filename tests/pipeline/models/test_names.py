from __future__ import annotations

from pipeline.models.names import DEFAULT
from pipeline.models.store.store import PINS


def test_the_default_is_a_network_whose_hash_is_known() -> None:
    assert DEFAULT in PINS
