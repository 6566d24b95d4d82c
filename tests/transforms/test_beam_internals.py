"""What is used of Beam beyond its promises: in one file, and only in the version that was read."""

from __future__ import annotations

import copy
import importlib.metadata
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import (
    GoogleCloudOptions,
    PipelineOptions,
    StandardOptions,
)
from apache_beam.transforms import core

from deploy.emulator import Cloud
from pipeline.run.runners.dataflow import image_tag
from tests.helpers.root import ROOT
from transforms import beam_internals

_PRIVATE = re.compile(
    r"\b(FileSystems|PipelineOptions|StateSampler|\w*Handler|group)\._[a-z]"
    r"|worker_handlers|statesampler|_futures_by_id|_yaml_requires_inputs"
)


def test_another_version_of_beam_fails_loudly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "version", lambda _: "2.99.0")
    for use in (
        lambda: beam_internals.sample_steps_every(10),
        beam_internals.inspect_once,
        beam_internals.file_system_flags,
        beam_internals.load_file_systems,
        lambda: beam_internals.start_worker_processes(b"true", died="x"),
        lambda: beam_internals.yaml_source(object),
    ):
        with pytest.raises(RuntimeError, match=r"read in Beam 2\.77, and 2\.99 is installed"):
            use()


def test_only_one_file_uses_what_beam_does_not_promise() -> None:
    sources = [path for name in ("pipeline", "transforms") for path in (ROOT / name).rglob("*.py")]
    users = [path.name for path in sources if _PRIVATE.search(path.read_text(encoding="utf-8"))]
    assert users == ["beam_internals.py"]


class _Scaled(beam.DoFn):  # type: ignore[misc]
    def process(self, element: int, factor: int = 2, at: Any = beam.DoFn.TimestampParam) -> Any:
        yield element * factor, at


def test_parameters_are_those_that_beam_would_find_out_again() -> None:
    beam_internals.inspect_once()
    found = (["element", "factor", "at"], [2, beam.DoFn.TimestampParam])
    for _ in range(2):
        asked = core.get_function_args_defaults(_Scaled().process)
        assert asked == core.get_function_args_defaults.__wrapped__(_Scaled().process) == found
        asked[0].clear()  # whoever changes the answer has it for himself
    assert core.get_function_args_defaults(lambda x, y=1: (x, y)) == (["x", "y"], [1])


def test_views_of_flags_share_their_values_and_those_of_copies_do_not() -> None:
    beam_internals.inspect_once()
    flags, other = (PipelineOptions([f"--job_name={name}"]) for name in ("one", "other"))
    assert flags.view_as(GoogleCloudOptions).job_name == "one"
    flags.view_as(StandardOptions).view_as(GoogleCloudOptions).job_name = "two"
    copied = copy.deepcopy(flags)
    copied.view_as(GoogleCloudOptions).job_name = "three"
    names = [each.view_as(GoogleCloudOptions).job_name for each in (flags, copied, other)]
    assert names == ["two", "three", "other"]


_LEAN = """
import sys
from pipeline.cli import main
model, *flags = sys.argv[1:]
sys.argv[1:] = ["label", "--quiet", "--input", "photos", "--output", "here", "--model", model]
code = main()
loaded = [name for name in ("pandas", "pymongo", "google.cloud.bigquery") if name in sys.modules]
"""


def _after_a_lean_start(code: str, *arguments: str, cwd: Path) -> str:
    command = [sys.executable, "-c", _LEAN + code, *arguments]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_run_on_this_machine_starts_without_cloud_services(
    photos: Path, stand_in_file: Path
) -> None:
    code = "import pandas\nprint(code, loaded, pandas.DataFrame.__name__)"
    said = _after_a_lean_start(code, str(stand_in_file), cwd=photos.parent)
    assert said == "0 [] DataFrame\n"


def test_a_process_that_started_lean_can_read_buckets(
    photos: Path, stand_in_file: Path, cloud: Cloud
) -> None:
    cloud.put("photos/0.jpg", next(photos.iterdir()).read_bytes())
    code = (
        "there = main(['label', '--quiet', '--input', 'gs://bkt/photos', '--output', 'there', "
        "'--model', model])\nprint(code, there)"
    )
    assert _after_a_lean_start(code, str(stand_in_file), cwd=photos.parent) == "0 0\n"


def test_a_process_that_started_lean_can_submit_to_a_service(
    photos: Path, stand_in_file: Path, cloud: Cloud
) -> None:
    cloud.put("photos/0.jpg", next(photos.iterdir()).read_bytes())
    flags = [
        "--runner=DataflowRunner", "--project=test-project", "--region=us-central1",
        "--temp_location=gs://bkt/tmp", f"--sdk_container_image=x/y:{image_tag()}",
        "--template_location=gs://bkt/template.json",
    ]  # fmt: skip
    code = (
        "there = main(['label', '--quiet', '--input', 'gs://bkt/photos', '--output', "
        "'gs://bkt/out', '--model', model, *flags])\nprint(code, there)"
    )
    said = _after_a_lean_start(code, str(stand_in_file), *flags, cwd=photos.parent)
    assert said.splitlines()[-1] == "0 0"
    assert cloud.content("template.json")
