"""The example for Beam YAML, run by Beam's own program for it."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from apache_beam.yaml import main as yaml_main

from pipeline.beam_yaml import LabelImages
from pipeline.cli import main
from pipeline.run.options import LabelOptions
from tests.helpers.contents import contents
from tests.helpers.root import ROOT
from transforms.errors import UsageError

EXAMPLE = ROOT / "deploy" / "yaml" / "label.yaml"


def _run(path: Path, **variables: str) -> None:
    command = [sys.executable, "-m", "apache_beam.yaml.main", *_words(path, **variables)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def _words(path: Path, **variables: str) -> list[str]:
    return [f"--yaml_pipeline_file={path}", f"--jinja_variables={json.dumps(variables)}"]


def _labelled(photos: Path, model: Path, output: Path, *more: str) -> Path:
    words = ["label", "--quiet", f"--input={photos}", f"--model={model}", f"--output={output}"]
    assert main([*words, *more]) == 0
    return output


def test_the_example_writes_the_files_of_the_command(
    photos: Path, stand_in_file: Path, tmp_path: Path
) -> None:
    (photos / "words.jpg").write_text("no picture", "utf-8")
    output = tmp_path / "yaml"
    _run(EXAMPLE, input=str(photos), output=str(output), model=str(stand_in_file))
    local = _labelled(photos, stand_in_file, tmp_path / "local")
    names = ("predictions-00000-of-00001.parquet", "__failures/failures-00000-of-00001.jsonl")
    assert sorted(contents(output)) == sorted(names)
    ours, theirs = (pq.read_table(folder / names[0]) for folder in (local, output))
    assert theirs.num_rows == 10
    assert theirs.equals(ours)  # the schema too
    failure = (output / names[1]).read_text("utf-8")
    assert json.loads(failure)["reason"] == "unknown_format"
    assert failure == (local / names[1]).read_text("utf-8")


_OWN_ROWS = """
pipeline:
  transforms:
    - type: Create
      config:
        elements:
          - {{uri: "{photos}/000000.jpg"}}
          - {{uri: "{photos}/none.jpg"}}
    - type: LabelImages
      input: Create
      config:
        model: {model}
        views: 2
        error_handling: {{output: failures}}
    - type: WriteToParquet
      input: LabelImages.predictions
      config: {{path: {output}/rows.parquet}}
    - type: WriteFailures
      input: LabelImages.failures
      config: {{path: {output}}}
providers:
  - include: {providers}
"""


def test_rows_of_other_steps_can_be_labelled_and_written_by_others(
    photos: Path, stand_in_file: Path, tmp_path: Path
) -> None:
    pipeline = tmp_path / "own.yaml"
    providers = EXAMPLE.with_name("providers.yaml")
    pipeline.write_text(
        _OWN_ROWS.format(
            photos=photos, model=stand_in_file, output=tmp_path / "yaml", providers=providers
        ),
        "utf-8",
    )
    yaml_main.run(_words(pipeline))
    local = _labelled(photos, stand_in_file, tmp_path / "local", "--views=2")
    (rows,) = (tmp_path / "yaml").glob("rows.parquet-*")
    (row,) = pq.read_table(rows).to_pylist()
    ours = pq.read_table(next(local.glob("predictions-*"))).to_pylist()
    (expected,) = [each for each in ours if each["uri"] == row["uri"]]
    assert row == expected
    failure = json.loads(next((tmp_path / "yaml").glob("__failures/failures-*")).read_text("utf-8"))
    assert failure["uri"] == f"{photos}/none.jpg"
    assert failure["reason"] == "not_found"


_NOT_IN_YAML = {
    **dict.fromkeys(
        ("user_agent", "allow_private_hosts"),
        "flags of Beam for the whole pipeline, --http_user_agent and --http_allow_private_hosts",
    ),
    "output": "WritePredictions has it",
    "format": "WritePredictions has it",
    "max_failure_rate": "a pipeline of one's own counts for itself",
    **dict.fromkeys(("overwrite", "resume", "retry_failures", "reuse_by"), "of a run's folder"),
    **dict.fromkeys(("runner", "beam_args", "allow_image"), "Beam's program for YAML has them"),
}


def test_every_option_of_label_is_a_setting_or_excused() -> None:
    options = {field.name for field in dataclasses.fields(LabelOptions)}
    settings = {field.name for field in dataclasses.fields(LabelImages)}
    assert options - settings == set(_NOT_IN_YAML)
    assert settings - options == {"error_handling"}


def test_a_value_that_cannot_work_is_refused_at_once() -> None:
    with pytest.raises(UsageError, match="--top-k: expected a number from 1"):
        LabelImages(inputs=["photos"], error_handling={"output": "failures"}, top_k=0)


def test_failures_may_not_be_dropped() -> None:
    with pytest.raises(UsageError, match="error_handling is missing"):
        LabelImages(inputs=["photos"])
