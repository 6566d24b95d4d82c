"""`quantlabel model info` of a SavedModel."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.cli import main
from pipeline.models.float_module import folder


def test_a_savedmodel_is_described_for_programs(
    saved_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["model", "info", str(saved_model), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found.pop("sha256") == folder.sha256(saved_model)
    assert found.pop("file_bytes") == folder.size(saved_model)
    assert found == {
        "name": "stand-in-float",
        "kind": "TensorFlow 2 SavedModel of MobileNet V1, with simulated quantization",
        "classes": 1001,
        "labels": "imagenet-1001",
        "multiplier": 0.25,
        "input_size": 128,
        "input_range": "byte",
        "quantized": True,
        "signatures": {
            "default": {"default": [-1, 1001]},
            "heads": {"features": [-1, 256], "logits": [-1, 1001]},
            "image_classification": {"default": [-1, 1001]},
            "image_feature_vector": {"default": [-1, 256]},
            "serving_default": {"default": [-1, 1001]},
        },
        "parameters": 467_593,
        "macs": 13_570_304,
    }


def test_a_savedmodel_is_described_for_people(
    saved_model: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["model", "info", str(saved_model)]) == 0
    out, err = capfd.readouterr()
    assert "TensorFlow 2 SavedModel of MobileNet V1, with simulated" in out
    assert "float32[-1,128,128,3] in [0,1], mapped as byte" in " ".join(out.split())
    assert err == ""


def test_another_hash_than_the_demanded_is_an_error(
    saved_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["model", "info", str(saved_model), "--sha256", "00" * 32]) == 1
    assert "over all its files, not 00" in capsys.readouterr().err
