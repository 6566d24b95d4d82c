"""`quantlabel model compare`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.models.tflite.stand_in import stand_in
from tests.helpers.models import model_command


def _compared(a: object, b: object, photos: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    assert model_command("compare", a, b, "--input", photos, "--json") == 0
    return json.loads(capsys.readouterr().out)


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
        model_command(
            "export", "--model", official, "--to", "savedmodel", "--output", tmp_path / "m"
        )
        == 0
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
    assert model_command("compare", stand_in_file, stand_in_file, "--input", photos) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["Conv2d_1_depthwise", "0.023529", "0.00", "0.0000", "100.00", "%"] in lines
    assert ["pictures", "10"] in lines
    assert ["same", "first", "class", "100.00", "%"] in lines


def test_compare_refuses_models_of_different_sizes(
    stand_in_file: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other.tflite"
    other.write_bytes(stand_in(multiplier=0.5))
    assert model_command("compare", stand_in_file, other, "--input", photos) == 1
    assert "one takes 128x128 pixels and gives 256 features, the other" in capsys.readouterr().err
