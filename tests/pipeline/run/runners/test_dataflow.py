"""Dataflow without Dataflow: what is refused, what is submitted, and that it would run."""

from __future__ import annotations

import dataclasses
import json
import re
import shlex
import sys
import tomllib
from importlib.metadata import version
from typing import Any

import pytest
from apache_beam.options.pipeline_options import PipelineOptions

from deploy.dataflow.flex_template import flags
from pipeline.cli import main
from pipeline.run.options import LabelOptions
from pipeline.run.runners.dataflow import image_tag, machine_note, require_same_versions
from tests.helpers.root import ROOT
from transforms.errors import UsageError

DEPLOY = ROOT / "deploy" / "dataflow"


def test_missing_flags_are_named_at_once_with_a_complete_example(
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["label", "--runner=DataflowRunner", "--input=/no/photos", "--output=labels"]
    assert main([*words, "--model=/no/such.tflite"]) == 2
    assert (
        capsys.readouterr().err
        == f"""\
quantlabel: --runner=DataflowRunner:
  --project: missing
  --region: missing
  --temp_location=gs://...: missing
  --sdk_container_image, which has quantlabel (or --setup_file=./setup.py, slower): missing
  --input /no/photos: workers cannot reach this machine's files; expected gs://...
  --output labels: workers cannot reach this machine's files; expected gs://...
A complete example:
  quantlabel label --input=gs://BUCKET/photos --output=gs://BUCKET/labels --runner=DataflowRunner \\
      --project=PROJECT --region=us-central1 --temp_location=gs://BUCKET/tmp \\
      --sdk_container_image=REGION-docker.pkg.dev/PROJECT/quantlabel/worker:{image_tag()} \\
      --worker_machine_type=e2-standard-2 --max_num_workers=50
"""
    )


PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


@pytest.mark.parametrize(
    "image",
    [
        f"us-docker.pkg.dev/p/q/worker:py{PYTHON}-beam2.77",
        f"localhost:5000/worker:py{PYTHON}-beam2.77.0-build4",
        f"us-docker.pkg.dev/p/q/worker:py{PYTHON}-beam2.77@sha256:{'0' * 64}",
        f"apache/beam_python{PYTHON}_sdk:2.77.0",
    ],
)
def test_an_image_of_the_same_versions_is_accepted(image: str) -> None:
    require_same_versions(image)


@pytest.mark.parametrize(
    ("image", "problem"),
    [
        ("p/worker:py3.9-beam2.77", f"Python 3.9 there, Python {PYTHON} here"),
        (f"p/worker:py{PYTHON}-beam2.7", "Beam 2.7 there, Beam 2.77 here"),
        (f"p/worker:py{PYTHON}-beam2.76.0", "Beam 2.76 there, Beam 2.77 here"),
        (f"apache/beam_python{PYTHON}_sdk:2.76.0", "Beam 2.76 there, Beam 2.77 here"),
        ("apache/beam_python3.1_sdk:2.77.0", f"Python 3.1 there, Python {PYTHON} here"),
        (f"py{PYTHON}-beam2.77/worker:latest", "does not say which Python and Beam"),
        ("p/worker", "does not say which Python and Beam"),
    ],
)
def test_an_image_of_other_versions_is_refused(image: str, problem: str) -> None:
    with pytest.raises(UsageError, match=re.escape(problem)):
        require_same_versions(image)


def test_a_mismatch_is_refused_before_anything_is_read(capsys: pytest.CaptureFixture[str]) -> None:
    words = "label --runner=DataflowRunner --input=gs://no-such/in --output=gs://no-such/out"
    cloud = "--project=p --region=r --temp_location=gs://no-such/t"
    image = "--sdk_container_image=worker:py3.9-beam2.77"
    assert main([*words.split(), *cloud.split(), image]) == 2
    assert "Python 3.9 there" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("--project=My_Project", "Invalid Project ID (My_Project)"),
        ("--project=12345", "not project number"),
        ("--job_name=Bad_Name", "Invalid job_name (Bad_Name)"),
        ("--temp_location=gs://Bad_Bucket/t", "Invalid GCS bucket (gs://Bad_Bucket/t)"),
        ("--temp_location=gs://bucket", "Did you mean: 'gs://bucket/"),
        ("--temp_location=/tmp", "Invalid GCS path (/tmp)"),
        ("--staging_location=/tmp", "Invalid GCS path (/tmp)"),
        ("--max_num_workers=0", "Invalid value (0) for option: max_num_workers"),
        ("--num_workers=5 --max_num_workers=2", "num_workers (5) cannot exceed"),
        ("--worker_zone=a --worker_region=b", "mutually exclusive"),
        ("--dataflow_endpoint=ftp://x", "Invalid url (ftp://x)"),
        ("--labels=classes.txt", "--labels classes.txt: expected key=value"),
        ("--labels=Team=vision", "A key begins with a lower-case letter"),
        ("--labels={", "--labels {: expected key=value"),
        ("--labels={'a':1}", "expected key=value, or a dict"),
        ("--region=US_Central", "--region US_Central: expected a region, such as us-central1"),
        ("--autoscaling_algorithm=FAST", "invalid choice: 'FAST'"),
        ("--num_workers=many", "invalid int value: 'many'"),
    ],
)
def test_what_beam_or_the_service_would_refuse_is_one_line_before_any_access(
    wrong: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    # No storage is there: an access would end in another error, or never.
    words = "label --runner=DataflowRunner --input=gs://no-such/in --output=gs://no-such/out"
    right = {"--project": "test-project", "--region": "r", "--temp_location": "gs://no-such/t"}
    given = wrong.split()
    names = {flag.partition("=")[0] for flag in given}
    cloud = [f"{name}={value}" for name, value in right.items() if name not in names]
    image = f"--sdk_container_image=worker:{image_tag()}"
    assert main([*words.split(), *cloud, *given, image]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert said in error


def test_an_image_named_otherwise_is_taken_if_that_is_asked_for(
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = "label --runner=DataflowRunner --input=gs://no-such/in --output=gs://no-such/out"
    cloud = "--project=test-project --region=r --temp_location=gs://no-such/t --job_name=Bad"
    image = f"--sdk_container_image=p/worker@sha256:{'0' * 64}"
    assert main([*words.split(), *cloud.split(), image]) == 2
    assert "add --allow-image" in capsys.readouterr().err
    assert main([*words.split(), *cloud.split(), image, "--allow-image"]) == 2
    assert "Invalid job_name (Bad)" in capsys.readouterr().err


def test_a_machine_with_arm_processors_needs_such_an_image() -> None:
    arm = PipelineOptions(["--worker_machine_type=t2a-standard-4"])
    assert "must hold linux/arm64" in str(machine_note(arm))
    assert machine_note(PipelineOptions(["--worker_machine_type=e2-standard-2"])) is None
    assert machine_note(PipelineOptions([])) is None


_NOT_IN_THE_TEMPLATE = {
    "runner": "it is for Dataflow",
    "beam_args": "all other parameters are Beam's",
    "allow_image": "the launcher runs in the image",
}


def test_every_option_of_label_is_a_template_parameter_or_excused() -> None:
    parameters = {parameter["name"] for parameter in _metadata()["parameters"]}
    options = {field.name for field in dataclasses.fields(LabelOptions)}
    assert options - parameters == {"inputs", *_NOT_IN_THE_TEMPLATE}
    assert parameters - options == {"input"}  # one of them


def _metadata() -> dict[str, Any]:
    metadata: dict[str, Any] = json.loads((DEPLOY / "metadata.json").read_text("utf-8"))
    return metadata


def test_template_parameters_become_flags() -> None:
    given = ["--top_k=3", "--resume=true", "--overwrite=false", "--input=gs://b/a=b", "--region=r"]
    expected = ["--top-k=3", "--resume", "--input=gs://b/a=b", "--region=r"]
    assert list(flags(given)) == expected


def test_every_template_parameter_is_a_flag(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["label", "--help"])
    known = set(re.findall(r"(--[a-z0-9-]+)", capsys.readouterr().out))
    given = [f"--{parameter['name']}=true" for parameter in _metadata()["parameters"]]
    assert {flag.partition("=")[0] for flag in flags(given)} <= known


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        (
            "input",
            ["gs://my-bucket/photos/**/*.jpg", "gs://my-bucket"],
            ["/photos", "gs://UPPER/x"],
        ),
        ("output", ["gs://my-bucket/labels"], ["gs://my-bucket", "labels"]),
        ("format", ["tfrecord.gz"], ["tfrecordXgz", "csv"]),
        ("model", ["mobilenet_v1_0.25_128_quant", "gs://b/m"], ["mobilenet_v1_0.3_128_quant", "m"]),
        ("sha256", ["0" * 64], ["0" * 63]),
        ("preprocess", ["stretch-nearest"], ["center"]),
        ("top_k", ["1", "999", "1001"], ["0", "1002", "5.0"]),
        ("max_failure_rate", ["0", "1", "0.01", ".5"], ["2", "1.5", "-0.1"]),
        ("user_agent", ["museum bot (x@example.com)"], [" x", "a\nb"]),
        ("allow_private_hosts", ["true"], ["yes"]),
        ("views", ["1", "2", "4"], ["3"]),
        ("temperature", ["1", "0.8", "1.25", ".5"], ["0", "-1", "0.0"]),
        ("label_map", ["gs://my-bucket/own.csv"], ["own.csv"]),
        ("label_threshold", ["0.4"], ["1.4"]),
        ("image_key", ["jpg"], [""]),
        ("max_pixels", ["1000"], ["0"]),
        ("max_bytes", ["1000"], ["1e6"]),
        ("memory", ["4000000000"], ["4G"]),
        ("kernel", ["native"], ["fast"]),
        ("reuse_by", ["sha256"], ["name"]),
        ("resume", ["true"], ["yes"]),
        ("retry_failures", ["true"], ["1"]),
        ("overwrite", ["false"], [""]),
    ],
)
def test_template_parameters_are_checked(name: str, good: list[str], bad: list[str]) -> None:
    (regexes,) = [p["regexes"] for p in _metadata()["parameters"] if p["name"] == name]
    assert [value for value in good + bad if re.match(regexes[0], value)] == good


def _dockerfile() -> list[str]:
    return (DEPLOY / "Dockerfile").read_text("utf-8").splitlines()


def test_the_image_is_named_for_what_is_in_it() -> None:
    text = "\n".join(_dockerfile())
    tag = re.search(r"--tag IMAGE:(\S+)", text)
    base = re.search(r"^FROM (apache/\S+) AS beam$", text, re.MULTILINE)
    python = re.search(r"^FROM python:([\d.]+)-slim$", text, re.MULTILINE)
    assert tag
    assert base
    assert python
    assert tag[1] == f"py{python[1]}-beam2.77"
    assert base[1] == f"apache/beam_python{python[1]}_sdk:{version('apache-beam')}"


def test_the_kernel_of_the_image_is_compiled_by_the_oldest_compiler_that_can() -> None:
    text = "\n".join(_dockerfile())
    cargo = tomllib.loads((DEPLOY.parent.parent / "native/Cargo.toml").read_text("utf-8"))
    (rust,) = re.findall(r"^FROM rust:([\d.]+)-slim-\w+ AS kernel$", text, re.MULTILINE)
    assert rust == cargo["package"]["rust-version"]


def test_the_image_copies_files_that_exist() -> None:
    root = DEPLOY.parent.parent
    copies = [shlex.split(line)[1:-1] for line in _dockerfile() if line.startswith("COPY ")]
    sources = [word for words in copies if not words[0].startswith("--from") for word in words]
    assert {"native", "pipeline", "quantlabel", "transforms"} <= set(sources)
    assert [source for source in sources if not (root / source).exists()] == []
