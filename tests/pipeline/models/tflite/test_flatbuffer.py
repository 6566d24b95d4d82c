"""Files that are damaged are refused; what is written is aligned and always the same."""

from __future__ import annotations

import random

import numpy as np
import pytest

from pipeline.models.tflite import flatbuffer
from pipeline.models.tflite.stand_in import stand_in
from transforms.errors import UserError


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "0 bytes that begin with b''"),
        (b"TFL3", "4 bytes that begin with b'TFL3'"),
        (b"<!DOCTYPE html><html>404</html>", "31 bytes that begin with b'<!DOCTYP'"),
        (b"\x1f\x8b\x08\x00\x00\x00\x00\x00" * 9, "not the archive"),
    ],
)
def test_bytes_of_another_kind_are_refused(content: bytes, found: str) -> None:
    with pytest.raises(UserError) as caught:
        flatbuffer.read(content)
    assert found in str(caught.value)


@pytest.mark.parametrize("kept", [8, 100, 1_000, 10_000, 100_000, 400_000, 495_000])
def test_a_file_cut_short_is_refused(kept: int) -> None:
    with pytest.raises(UserError, match=r"cut short or damaged .* Fetch it again"):
        flatbuffer.read(stand_in()[:kept])


def test_noise_behind_the_identifier_is_refused() -> None:
    for seed in range(200):
        noise = random.Random(seed).randbytes(1 + seed * 7)
        with pytest.raises(UserError):
            flatbuffer.read(b"\x1c\0\0\0TFL3" + noise)


def test_an_operator_that_reads_a_missing_tensor_is_refused() -> None:
    model = flatbuffer.read(stand_in())
    model.subgraphs[0].operators[3].inputs = [0, 89, 2]
    with pytest.raises(UserError, match=r"damaged \(tensor 89 of 89\)"):
        flatbuffer.read(flatbuffer.write(model))


def test_a_tensor_whose_constant_is_missing_is_refused() -> None:
    model = flatbuffer.read(stand_in())
    model.subgraphs[0].tensors[1].buffer = 4_000
    with pytest.raises(UserError, match="buffer 4000 of"):
        flatbuffer.read(flatbuffer.write(model))


def test_an_operator_without_a_code_is_refused() -> None:
    model = flatbuffer.read(stand_in())
    model.subgraphs[0].operators[0].opcodeIndex = 5
    with pytest.raises(UserError, match="operator code 5 of 5"):
        flatbuffer.read(flatbuffer.write(model))


@pytest.mark.parametrize("missing", ["subgraphs", "buffers", "operatorCodes"])
def test_a_file_without_a_graph_is_refused(missing: str) -> None:
    model = flatbuffer.read(stand_in())
    setattr(model, missing, None)
    with pytest.raises(UserError, match="no graph"):
        flatbuffer.read(flatbuffer.write(model))


def test_reading_and_writing_changes_nothing() -> None:
    written = stand_in()
    assert flatbuffer.write(flatbuffer.read(written)) == written


def test_constants_begin_at_multiples_of_16_bytes() -> None:
    tflite = stand_in()
    start = np.frombuffer(tflite, np.uint8).ctypes.data
    constants = [buffer.data for buffer in flatbuffer.read(tflite).buffers]
    offsets = [data.ctypes.data - start for data in constants if data is not None]
    assert len(offsets) == 57  # 28 weights, 28 biases, 1 shape
    assert [offset % 16 for offset in offsets] == [0] * 57


def test_a_tensor_without_a_name_is_called_nothing() -> None:
    model = flatbuffer.read(stand_in())
    tensor = model.subgraphs[0].tensors[0]
    tensor.name = None
    assert flatbuffer.name(tensor) == ""
    assert flatbuffer.summary(tensor) == " uint8[1, 128, 128, 3]"
