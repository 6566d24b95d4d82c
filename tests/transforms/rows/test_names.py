from __future__ import annotations

from pipeline.export.targets import TARGETS
from transforms.rows.formats import FORMATS
from transforms.rows.names import EXPORTS, FORMAT_NAMES


def test_names_that_are_kept_apart_are_those_of_the_registries() -> None:
    assert tuple(FORMATS) == FORMAT_NAMES
    assert set(TARGETS) >= EXPORTS
