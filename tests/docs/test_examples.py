"""The Python in the README and on the pages of docs/ does what is said there."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from pipeline.cli import main
from tests.helpers.finished_runs import plausible, write_run
from tests.helpers.root import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
_MARKED = re.compile(r"<!-- (\S+) -->\n```python\n(.*?)```", re.DOTALL)

EXAMPLES = {name: code for page in PAGES for name, code in _MARKED.findall(page.read_text("utf-8"))}
MODEL = "mobilenet_v1_0.25_128_quant"


def _run(example: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(compile(example, "example", "exec"), names)
    return names


def test_every_example_is_run_here() -> None:
    text = "".join(page.read_text("utf-8") for page in PAGES)
    assert text.count("```python") == len(EXAMPLES)
    assert set(EXAMPLES) == {
        "beam",
        "beam-bytes",
        "fiftyone",  # by tests/pipeline/export/test_fiftyone.py, with a Python that has it
        "fiftyone-back",
        "functions",
        "fine-tune",  # by tests/docs/test_fine_tune.py
        "huggingface",
        "iceberg",
        "lance",
        "load-model",
        "reading",
        "readme-beam",
        "readme-python",
        "similar",
        "tf-data",
    }


@pytest.mark.parametrize("name", ["readme-python", "load-model"])
def test_a_model_is_arrays_in_and_arrays_out(
    name: str,
    photos: Path,
    stand_in_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (photos / "000000.jpg").rename("photo.jpg")
    names = _run(EXAMPLES[name].replace(MODEL, str(stand_in_file)))
    model = names["model"]
    assert names["logits"].shape == (1, 1001)
    assert capsys.readouterr().out.strip() in model.labels
    if "features" in names:
        assert names["features"].shape == (1, 256)


@pytest.mark.parametrize("name", ["readme-beam", "beam"])
def test_transforms_compose_in_ten_lines(
    name: str, photos: Path, stand_in_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    example = EXAMPLES[name].replace(MODEL, str(stand_in_file))
    assert len([line for line in example.splitlines() if line]) <= 10
    (photos / "empty.jpg").write_bytes(b"")
    _run(example.replace("beam.Pipeline()", "beam.Pipeline(runner='FnApiRunner')"))
    assert [path.name for path in (tmp_path / "labels").iterdir()] == [
        "predictions-00000-of-00001.parquet"
    ]


def test_bytes_of_any_pipeline_become_rows(
    photos: Path, stand_in_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (photos / "empty.jpg").write_bytes(b"")
    example = EXAMPLES["beam-bytes"].replace(MODEL, str(stand_in_file))
    _run(example.replace("beam.Pipeline()", "beam.Pipeline(runner='FnApiRunner')"))
    rows = pq.read_table("labels", columns=["uri", "size"]).to_pylist()
    assert sorted((row["uri"], row["size"]) for row in rows) == [
        (f"photos/{number:06d}.jpg", (photos / f"{number:06d}.jpg").stat().st_size)
        for number in range(10)
    ]
    (failures,) = (tmp_path / "labels").rglob("failures-*.jsonl")
    assert json.loads(failures.read_text("utf-8"))["reason"] == "empty"


def test_commands_are_functions(
    photos: Path,
    stand_in_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (photos / "empty.jpg").write_bytes(b"")
    truth = [f"{photos}/{number:06d}.jpg,{1 + number % 2}" for number in range(10)]
    Path("truth.csv").write_text("\n".join(["uri,class_id", *truth]), "utf-8")
    names = _run(EXAMPLES["functions"].replace(MODEL, str(stand_in_file)))
    printed = f"10 labelled, {{'empty': 1}}\n{photos}/empty.jpg empty\n"
    assert capsys.readouterr().out == printed
    assert list(names["frame"].columns) == ["uri", "label", "score"]
    assert names["vectors"].num_rows == 10
    assert names["found"]["rows"]["predictions"] == 10
    assert Path(names["page"]).is_file()


def test_outputs_are_read_as_shown(
    photos: Path, stand_in_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = ["label", "--quiet", "--input", str(photos), "--model", str(stand_in_file)]
    assert main([*arguments, "--output", "labels"]) == 0
    names = _run(EXAMPLES["reading"])
    assert len(names["table"]) == 10
    assert names["likely"].columns == ["uri", "label"]
    assert names["vectors"].shape == (10, 256)
    similar = _run(EXAMPLES["similar"])["similar"].fetchall()
    assert len(similar) == 5
    assert similar[0] == (f"{photos}/000000.jpg", pytest.approx(1, abs=1e-5))


def test_hugging_face_reads_an_export_as_shown(
    photos: Path, stand_in_file: Path, tmp_path: Path
) -> None:
    output = ["--output", str(tmp_path / "labels")]
    arguments = ["--quiet", "--input", str(photos), "--model", str(stand_in_file)]
    assert main(["label", *arguments, *output]) == 0
    assert main(["export", str(tmp_path / "labels"), "--to", "huggingface"]) == 0
    done = subprocess.run(
        [sys.executable, "-c", EXAMPLES["huggingface"] + "print(len(rows))"],
        cwd=tmp_path,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "10\n", done.stderr


@pytest.mark.parametrize("to", ["iceberg", "lance"])
def test_tables_of_a_lakehouse_are_read_as_shown(
    to: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip({"iceberg": "pyiceberg", "lance": "lance"}[to])
    monkeypatch.chdir(tmp_path)
    write_run(tmp_path / "labels", plausible(30))
    assert main(["export", "labels", "--to", to]) == 0
    names = _run(EXAMPLES[to].replace("/data/labels", str(tmp_path / "labels")))
    if to == "lance":
        assert names["nearest"].num_rows == 10
        assert names["nearest"]["uri"][0].as_py() == "/photos/0000/IMG_0000000.jpg"
    else:
        assert names["sure"].num_rows == sum((row.score or 0) > 0.5 for row in plausible(30))


def test_tfrecords_are_read_as_shown(
    photos: Path, stand_in_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = ["--quiet", "--input", str(photos), "--model", str(stand_in_file)]
    assert main(["label", *arguments, "--output", "labels", "--format", "tfrecord"]) == 0
    rows = list(_run(EXAMPLES["tf-data"])["dataset"].as_numpy_iterator())
    assert sorted(row["image/source_id"].decode() for row in rows) == [
        str(photos / f"{number:06d}.jpg") for number in range(10)
    ]
    assert rows[0]["image/feature_vector"].shape == (256,)
