from __future__ import annotations

import gc

import pytest

from pipeline.startup import imports_uncollected


def _import_badly() -> None:
    with imports_uncollected():
        assert not gc.isenabled()
        raise ImportError


def test_imports_are_frozen_and_the_collector_comes_back_even_after_an_error() -> None:
    before = gc.get_freeze_count()
    try:
        with pytest.raises(ImportError):
            _import_badly()
        assert gc.isenabled()
        assert gc.get_freeze_count() > before
    finally:
        gc.unfreeze()
