"""The example for Beam YAML, run by Beam's own program for it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from pipeline.beam_yaml import LabelImages
from pipeline.cli import main
from tests.helpers.root import ROOT
from transforms.errors import UsageError

EXAMPLE = ROOT / "deploy" / "yaml" / "label.yaml"


def _rows(folder: Path, pattern: str) -> list[dict[str, Any]]:
    (path,) = folder.glob(pattern)
    rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    return sorted(rows, key=lambda row: str(row["uri"]))


def test_the_example_gives_the_rows_of_the_command(
    photos: Path, stand_in_file: Path, tmp_path: Path
) -> None:
    (photos / "words.jpg").write_text("no picture", "utf-8")
    output = tmp_path / "yaml"
    variables = {"input": str(photos), "output": str(output), "model": str(stand_in_file)}
    command = [sys.executable, "-m", "apache_beam.yaml.main", f"--yaml_pipeline_file={EXAMPLE}"]
    command.append(f"--jinja_variables={json.dumps(variables)}")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    words = ["label", "--quiet", f"--input={photos}", f"--model={stand_in_file}"]
    assert main([*words, f"--output={tmp_path / 'local'}"]) == 0

    ours = _rows(tmp_path / "local", "predictions-*.parquet")
    theirs = _rows(output, "predictions.parquet-*")
    assert len(theirs) == 10
    assert theirs == ours
    (failure,) = _rows(output, "failures.parquet-*")
    local = json.loads(next((tmp_path / "local").glob("__failures/failures-*")).read_text("utf-8"))
    assert failure == local


def test_failures_may_not_be_dropped() -> None:
    with pytest.raises(UsageError, match="error_handling is missing"):
        LabelImages(inputs=["photos"])
