"""Quantization by a sample of pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.models.convert import post_training
from pipeline.models.float_module.source import read_network
from pipeline.models.tflite.info import describe
from pipeline.models.tflite.load import load
from tests.helpers.models import model_command
from tests.helpers.pictures import block_pictures, make_pictures
from tests.helpers.run_tflite import run_tflite
from transforms.network.litert import LiteRtModel


def test_post_training_quantizes_a_float_network(
    saved_model: Path, stand_in_file: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    make_pictures(tmp_path / "sample", count=40)
    out = tmp_path / "after.tflite"
    words = ["--model", saved_model, "--to", "tflite", "--output", out]
    assert model_command("export", *words, "--post-training", tmp_path / "sample") == 0
    assert capfd.readouterr().err == ""
    pictures = list(block_pictures(40, seed=7))
    after, before = (
        LiteRtModel(load(path.read_bytes(), name="x").content).run(pictures)[0]
        for path in (out, stand_in_file)
    )
    correlation = np.corrcoef(after.ravel(), before.ravel())[0, 1]
    assert correlation > 0.98


def test_bytes_are_fed_as_they_are_after_a_sample_without_black_and_white(
    stand_in_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    grey = block_pictures(2) // 2 + 64
    tflite = post_training.quantize(read_network(str(stand_in_file)), grey)
    info = describe(tflite)
    assert (info.input.dtype, info.input.scale, info.input.zero_point) == ("uint8", 1 / 128, 128)
    assert info.logits is not None
    assert info.features is not None
    assert (info.logits.shape, info.features.shape) == ((1, 1, 1, 1001), (1, 1, 1, 256))
    path = stand_in_file.parent / "after.tflite"
    path.write_bytes(tflite)
    assert model_command("compare", stand_in_file, path, "--input", path) == 1
    assert "model after: it has 32 operators up to the logits" in capsys.readouterr().err


@pytest.mark.slow
def test_post_training_keeps_the_accuracy(shared: Path, tmp_path: Path) -> None:
    official, out = shared / "models/mobilenet_v1_0.25_128_quant.tflite", tmp_path / "after.tflite"
    words = ["--model", official, "--to", "tflite", "--output", out]
    assert model_command("export", *words, "--post-training", shared / "images/ilsvrc") == 0
    golden = np.load(shared / "golden/eval_tool.npz")
    logits, _ = run_tflite(out.read_bytes(), golden["images"])
    assert np.mean(logits.argmax(axis=1) == golden["logits"].argmax(axis=1)) >= 0.87
