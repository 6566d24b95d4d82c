"""The places of tflites that were made of hub modules."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import pytest

from pipeline.models.store import conversions
from pipeline.models.store.conversions import Conversion
from pipeline.models.tflite.stand_in import stand_in

HASH = "ab" * 32


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("QUANTLABEL_CACHE", str(tmp_path))
    return tmp_path / "models"


def _without_tensorflow(name: str) -> str:
    raise importlib.metadata.PackageNotFoundError(name)


def test_nothing_is_known_at_first() -> None:
    assert conversions.find(HASH) is None


def test_what_is_kept_is_found_by_hash_and_version(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = importlib.metadata.version("tensorflow")
    place, other = conversions.slot(HASH, version), conversions.slot(HASH, "2.9.0")
    for each in (place, other):
        with each.locked():
            conversions.keep(each, stand_in(seed=each is other), source="a test")
    assert place.model == cache / f"module_{HASH}_tensorflow_{version}.tflite"
    assert conversions.find(HASH) == Conversion(stand_in())
    assert conversions.find("cd" * 32) is None
    # A machine without tensorflow takes what the newest has made.
    monkeypatch.setattr(importlib.metadata, "version", _without_tensorflow)
    assert conversions.find(HASH) == Conversion(stand_in())
    place.model.unlink()
    assert conversions.find(HASH) == Conversion(stand_in(seed=1))
    assert conversions.find("cd" * 32) is None


def test_a_damaged_file_counts_as_none() -> None:
    place = conversions.slot(HASH, importlib.metadata.version("tensorflow"))
    with place.locked():
        conversions.keep(place, stand_in(), source="a test")
    place.model.write_bytes(stand_in()[:-1])
    assert conversions.find(HASH) is None


def test_a_refusal_is_remembered() -> None:
    place = conversions.slot(HASH, importlib.metadata.version("tensorflow"))
    with place.locked():
        conversions.refuse(place, "it says other things")
    assert conversions.find(HASH) == Conversion(None, "it says other things")
