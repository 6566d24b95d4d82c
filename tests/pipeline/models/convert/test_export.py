"""The commands `model export` and `model compare`, with the files as a user has them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pipeline.models.float_module.source import read_network
from pipeline.models.tflite.info import describe
from pipeline.models.tflite.load import load
from pipeline.models.tflite.stand_in import stand_in
from pipeline.models.tflite.two_head import two_head
from tests.helpers.models import model_command
from tests.helpers.pictures import block_pictures
from tests.helpers.run_tflite import run_tflite


def test_a_tflite_survives_the_way_through_a_savedmodel(
    saved_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "again.tflite"
    assert (
        model_command("export", "--model", saved_model, "--to", "tflite", "--output", out, "--json")
        == 0
    )
    written = json.loads(capsys.readouterr().out)
    assert written["path"] == str(out)
    assert written["size"] == len(out.read_bytes())
    assert written["sha256"] == load(out.read_bytes(), name="x").sha256
    pictures = block_pictures(8)
    for made, given in zip(
        run_tflite(out.read_bytes(), pictures),
        run_tflite(two_head(stand_in()), pictures),
        strict=True,
    ):
        np.testing.assert_array_equal(made, given)


def test_the_official_model_survives_it_on_the_golden_pictures(
    shared: Path, tmp_path: Path
) -> None:
    official = shared / "models/mobilenet_v1_0.25_128_quant.tflite"
    folder, out = tmp_path / "float", tmp_path / "again.tflite"
    assert (
        model_command("export", "--model", official, "--to", "savedmodel", "--output", folder) == 0
    )
    assert model_command("export", "--model", folder, "--to", "tflite", "--output", out) == 0
    golden = np.load(shared / "golden/eval_tool.npz")
    logits, features = run_tflite(out.read_bytes(), golden["images"])
    same = logits.argmax(axis=1) == golden["logits"].argmax(axis=1)
    assert same.mean() == 1
    assert np.abs(logits.astype(int) - golden["logits"]).mean() == 0  # in steps; a tenth would do
    np.testing.assert_array_equal(features, golden["features"])
    info = describe(out.read_bytes())
    assert (info.multiplier, info.input_size, info.parameters) == (0.25, 128, 467_593)


def test_the_input_range_is_kept_in_the_savedmodel(stand_in_file: Path, tmp_path: Path) -> None:
    words = ["--model", stand_in_file, "--to", "savedmodel", "--output", tmp_path / "unit"]
    assert model_command("export", *words, "--input-range", "unit") == 0
    assert read_network(str(tmp_path / "unit")).input_range == "unit"


def test_an_output_that_cannot_be_written_is_an_error(
    stand_in_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "none/there.tflite"
    assert model_command("export", "--model", stand_in_file, "--to", "tflite", "--output", out) == 1
    assert "there.tflite: cannot be written: No such file or directory" in capsys.readouterr().err
