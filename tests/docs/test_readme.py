"""The examples in the README do what they say."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli import main
from tests.helpers.root import ROOT

README = ROOT / "README.md"


def _example(name: str) -> str:
    found = re.search(
        rf"<!-- {name} -->\n```python\n(.*?)```", README.read_text("utf-8"), re.DOTALL
    )
    assert found, f"the README has no example {name}"
    return found.group(1)


def _run(example: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(compile(example, "README.md", "exec"), names)
    return names


def test_a_model_is_arrays_in_and_arrays_out(
    photos: Path,
    stand_in_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (photos / "000000.jpg").rename("photo.jpg")
    assert "```python\n" + _example("load-model") in README.read_text("utf-8")[:3500]  # the first
    names = _run(_example("load-model").replace("mobilenet_v1_0.25_128_quant", str(stand_in_file)))
    assert (names["logits"].shape, names["features"].shape) == ((1, 1001), (1, 256))
    assert capsys.readouterr().out.strip() in names["m"].labels


def test_transforms_compose_in_ten_lines(
    photos: Path, stand_in_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    example = _example("beam").replace("mobilenet_v1_0.25_128_quant", str(stand_in_file))
    body = [line for line in example.splitlines() if line and "import" not in line]
    assert len(body) <= 10
    (photos / "empty.jpg").write_bytes(b"")
    _run(example.replace("beam.Pipeline()", "beam.Pipeline(runner='FnApiRunner')"))
    assert [path.name for path in (tmp_path / "labels").iterdir()] == [
        "predictions-00000-of-00001.parquet"
    ]


def test_outputs_are_read_as_shown(
    photos: Path, stand_in_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = ["label", "--quiet", "--input", str(photos), "--model", str(stand_in_file)]
    assert main([*arguments, "--output", "labels"]) == 0
    names = _run(_example("reading"))
    assert len(names["table"]) == 10
    assert names["likely"].columns == ["uri", "label"]
    assert names["vectors"].shape == (10, 256)
    assert main([*arguments, "--output", "labels", "--format", "tfrecord", "--overwrite"]) == 0
    rows = list(_run(_example("tf-data"))["dataset"].as_numpy_iterator())
    assert sorted(row["image/source_id"].decode() for row in rows) == [
        str(photos / f"{number:06d}.jpg") for number in range(10)
    ]
    assert rows[0]["image/feature_vector"].shape == (256,)
