from __future__ import annotations

import pytest

from pipeline.models.tflite import flatbuffer
from pipeline.models.tflite.metadata import Metadata, read_metadata
from tests.helpers.networks import own_network, with_metadata
from transforms.errors import UserError


def _read(tflite: bytes) -> Metadata:
    return read_metadata(tflite, flatbuffer.read(tflite))


def test_labels_and_normalization_are_read() -> None:
    tflite = with_metadata(own_network(2), ["cat", "dog"], mean=[1.5, 2, 3], std=[4, 5, 6])
    expected = Metadata((1.5, 2.0, 3.0), (4.0, 5.0, 6.0), "labels.txt", b"cat\ndog\n")
    assert _read(tflite) == expected


def test_each_may_be_absent() -> None:
    assert _read(own_network(2)) == Metadata()
    assert _read(with_metadata(own_network(2))) == Metadata()
    assert _read(with_metadata(own_network(2), mean=[0], std=[255])) == Metadata((0.0,), (255.0,))


def test_labels_that_are_named_but_not_there_are_one_line() -> None:
    tflite = with_metadata(own_network(2), ["cat", "dog"])
    with pytest.raises(UserError, match=r"^its metadata name the labels labels\.txt, which cannot"):
        _read(tflite[: tflite.index(b"PK\x03\x04")])


def test_damaged_metadata_are_one_line() -> None:
    tflite = with_metadata(own_network(2), mean=[0], std=[255])
    at = tflite.index(b"M001") - 4
    damaged = tflite[:at] + b"\xff\xff\xff\x7f" + tflite[at + 4 :]
    with pytest.raises(UserError, match=r"^its metadata are damaged"):
        _read(damaged)


def test_a_normalization_by_nothing_is_damage() -> None:
    with pytest.raises(UserError, match=r"^its metadata are damaged"):
        _read(with_metadata(own_network(2), mean=[1], std=[0]))
