"""The commands `model export` and `model compare`, with the files as a user has them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.cli import main
from pipeline.models.convert import post_training
from pipeline.models.convert.options import ExportOptions
from pipeline.models.float_module.source import read_network
from pipeline.models.tflite.info import describe
from pipeline.models.tflite.stand_in import stand_in
from pipeline.models.tflite.two_head import load, two_head
from tests.helpers.pictures import block_pictures, make_pictures
from tests.helpers.run_tflite import run_tflite
from transforms.errors import UsageError
from transforms.network.litert import LiteRtModel


def _model(*words: object) -> int:
    return main(["model", *map(str, words)])


def _compared(a: object, b: object, photos: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    assert _model("compare", a, b, "--input", photos, "--json") == 0
    return json.loads(capsys.readouterr().out)


def test_a_tflite_survives_the_way_through_a_savedmodel(
    saved_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "again.tflite"
    assert (
        _model("export", "--model", saved_model, "--to", "tflite", "--output", out, "--json") == 0
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
    assert _model("export", "--model", official, "--to", "savedmodel", "--output", folder) == 0
    assert _model("export", "--model", folder, "--to", "tflite", "--output", out) == 0
    golden = np.load(shared / "golden/eval_tool.npz")
    logits, features = run_tflite(out.read_bytes(), golden["images"])
    same = logits.argmax(axis=1) == golden["logits"].argmax(axis=1)
    assert same.mean() == 1
    assert np.abs(logits.astype(int) - golden["logits"]).mean() == 0  # in steps; a tenth would do
    np.testing.assert_array_equal(features, golden["features"])
    info = describe(out.read_bytes())
    assert (info.multiplier, info.input_size, info.parameters) == (0.25, 128, 467_593)


@pytest.mark.parametrize(
    "name",
    [
        "mobilenet_v1_0.25_128_quant",
        pytest.param("mobilenet_v1_0.5_160_quant", marks=pytest.mark.slow),
    ],
)
def test_the_simulation_is_the_network_of_the_published_file(
    shared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    official = shared / f"models/{name}.tflite"
    assert (
        _model("export", "--model", official, "--to", "savedmodel", "--output", tmp_path / "m") == 0
    )
    capsys.readouterr()
    found = _compared(official, tmp_path / "m", shared / "images/ilsvrc", capsys)
    assert found["pictures"] == 200
    assert found["top1"] >= 0.985
    assert found["top1"] == found["top5"] == 1
    assert len(found["layers"]) == 29
    assert {layer["equal"] for layer in found["layers"]} == {1.0}
    assert max(layer["max_steps"] for layer in found["layers"]) < 0.01


def test_compare_tells_two_networks_apart(
    stand_in_file: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other.tflite"
    other.write_bytes(stand_in(seed=1))
    found = _compared(stand_in_file, other, photos, capsys)
    assert found["pictures"] == 10
    assert found["top1"] < 0.5
    first, last = found["layers"][0], found["layers"][-1]
    assert (first["name"], last["name"]) == ("Conv2d_0", "logits")
    assert first["step"] == pytest.approx(6 / 255)
    assert 10 < first["mean_steps"] < first["max_steps"] <= 255
    assert first["equal"] < 0.5


def test_compare_prints_a_table(
    stand_in_file: Path, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (photos / "empty.jpg").write_bytes(b"")
    assert _model("compare", stand_in_file, stand_in_file, "--input", photos) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["Conv2d_1_depthwise", "0.023529", "0.00", "0.0000", "100.00", "%"] in lines
    assert ["pictures", "10"] in lines
    assert ["same", "first", "class", "100.00", "%"] in lines


def test_compare_refuses_models_of_different_sizes(
    stand_in_file: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other.tflite"
    other.write_bytes(stand_in(multiplier=0.5))
    assert _model("compare", stand_in_file, other, "--input", photos) == 1
    assert "one takes 128x128 pixels and gives 256 features, the other" in capsys.readouterr().err


def test_pictures_that_cannot_be_decoded_are_an_error(
    stand_in_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty.jpg").write_bytes(b"")
    assert _model("compare", stand_in_file, stand_in_file, "--input", tmp_path) == 1
    assert "none of its 1 pictures can be decoded" in capsys.readouterr().err


def test_the_input_range_is_kept_in_the_savedmodel(stand_in_file: Path, tmp_path: Path) -> None:
    words = ["--model", stand_in_file, "--to", "savedmodel", "--output", tmp_path / "unit"]
    assert _model("export", *words, "--input-range", "unit") == 0
    assert read_network(str(tmp_path / "unit")).input_range == "unit"


def test_post_training_quantizes_a_float_network(
    saved_model: Path, stand_in_file: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    make_pictures(tmp_path / "sample", count=40)
    out = tmp_path / "after.tflite"
    words = ["--model", saved_model, "--to", "tflite", "--output", out]
    assert _model("export", *words, "--post-training", tmp_path / "sample") == 0
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
    assert (info.logits.shape, info.features.shape) == ((1, 1, 1, 1001), (1, 1, 1, 256))
    path = stand_in_file.parent / "after.tflite"
    path.write_bytes(tflite)
    assert _model("compare", stand_in_file, path, "--input", path) == 1
    assert "model after: it has 32 operators up to the logits" in capsys.readouterr().err


@pytest.mark.slow
def test_post_training_keeps_the_accuracy(shared: Path, tmp_path: Path) -> None:
    official, out = shared / "models/mobilenet_v1_0.25_128_quant.tflite", tmp_path / "after.tflite"
    words = ["--model", official, "--to", "tflite", "--output", out]
    assert _model("export", *words, "--post-training", shared / "images/ilsvrc") == 0
    golden = np.load(shared / "golden/eval_tool.npz")
    logits, _ = run_tflite(out.read_bytes(), golden["images"])
    assert np.mean(logits.argmax(axis=1) == golden["logits"].argmax(axis=1)) >= 0.87


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"to": "onnx"}, "--to: expected savedmodel or tflite, found 'onnx'"),
        ({"input_range": "half"}, "--input-range: expected byte or unit, found 'half'"),
        ({"to": "tflite", "input_range": "byte"}, "--input-range is for --to savedmodel"),
        ({"post_training": "photos"}, "--post-training makes a tflite; add --to tflite"),
    ],
)
def test_options_that_cannot_work_are_refused(values: dict[str, Any], message: str) -> None:
    given: dict[str, Any] = {"model": "m", "to": "savedmodel", "output": "o", **values}
    with pytest.raises(UsageError, match=message):
        ExportOptions(**given)


def test_an_output_that_cannot_be_written_is_an_error(
    stand_in_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "none/there.tflite"
    assert _model("export", "--model", stand_in_file, "--to", "tflite", "--output", out) == 1
    assert "there.tflite: cannot be written: No such file or directory" in capsys.readouterr().err
