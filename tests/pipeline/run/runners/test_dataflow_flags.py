"""Flags of Dataflow: what the service would refuse is refused here, and nothing else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from apache_beam.options.pipeline_options import PipelineOptions

from pipeline.cli import main
from pipeline.run.runners.dataflow import image_tag, region_note
from pipeline.run.runners.dataflow_flags import RULES, problems

_URL = "https://www.googleapis.com/compute/v1/projects"

RIGHT = [
    *(f"--region={each}" for each in ("us-central1", "northamerica-northeast1", "europe-west12")),
    *(f"--worker_region={each}" for each in ("us-central1", "africa-south1")),
    *(f"--worker_zone={each}" for each in ("us-central1-a", "us-south1-ai1b")),
    "--zone=europe-west1-b",
    "--job_name=" + "n" * 1024,
    *(f"--labels={each}" for each in ("team=vision", "team=", "{'a': 'b', 'c': ''}", "é=日本_-1")),
    "--service_account_email=quantlabel-worker@test-project.iam.gserviceaccount.com",
    "--service_account_email=123456-compute@developer.gserviceaccount.com",
    "--service_account_email=worker@project.example.com.iam.gserviceaccount.com",
    "--dataflow_kms_key=projects/p1/locations/us-central1/keyRings/My_Ring/cryptoKeys/k-1",
    "--template_location=gs://bucket/templates/label",
    "--template_location=label.json",
    *(f"--{each}num_workers=1" for each in ("", "max_")),
    "--number_of_worker_harness_threads=1",
    *(
        f"--worker_machine_type={each}"
        for each in (
            "e2-standard-2",
            "n1-highmem-96",
            "t2a-standard-4",
            "c4a-highcpu-8-lssd",
            "c3d-standard-360-metal",
            "a2-highgpu-1g",
            "e2-medium",
            "f1-micro",
            "custom-4-5120",
            "n2-custom-4-65536-ext",
            "e2-custom-small-4096",
        )
    ),
    *(f"--disk_size_gb={each}" for each in (0, 30, 500)),
    *(
        f"--disk_type={each}"
        for each in ("pd-ssd", "compute.googleapis.com/projects//zones//diskTypes/pd-standard")
    ),
    "--disk_provisioned_iops=3000",
    "--disk_provisioned_throughput_mibps=140",
    "--network=default",
    "--subnetwork=regions/us-central1/subnetworks/quantlabel",
    f"--subnetwork={_URL}/example.com:host/regions/us-central1/subnetworks/s",
    "--setup_file=setup.py",
    "--requirements_file=requirements.txt",
    *(f"--extra_package={each}" for each in ("a.whl", "gs://bucket/a.tar.gz")),
    "--files_to_stage=requirements.txt",
    *(f"--sdk_location={each}" for each in ("default", "container", "gs://b/beam.tar.gz", "a.whl")),
]

WRONG = {
    "--region": ["US Central", "us-central1-a", "us", "us-central1\n", ""],
    "--worker_region": ["us-central"],
    "--worker_zone": ["us-central1", "a", "us-central1-A"],
    "--zone": ["us-central1"],
    "--job_name": ["n" * 1025],
    "--labels": ["team", "Team=vision", "1a=b", "=b", "a=" + "b" * 64, "a=B", "{", "{'a': 1}"],
    "--service_account_email": ["me", "me@example.com", "@p.iam.gserviceaccount.com"],
    "--dataflow_kms_key": ["key", "projects/p1/locations/us-central1/keyRings/r"],
    "--template_location": ["s3://bucket/t", "gs://bucket", "gs://bucket/t/", "none/t.json", "."],
    "--num_workers": ["0", "-1"],
    "--max_num_workers": ["0", "-1"],
    "--number_of_worker_harness_threads": ["0", "-2"],
    "--worker_machine_type": ["big", "e2_standard_2", "e2-standard", "E2-standard-2", "2", ""],
    "--disk_size_gb": ["-5", "29"],
    "--worker_disk_type": ["ssd", "projects/p/zones/z/diskTypes/pd-ssd"],
    "--disk_provisioned_iops": ["0"],
    "--disk_provisioned_throughput_mibps": ["-1"],
    "--network": ["Default", "projects/p/global/networks/n"],
    "--subnetwork": ["quantlabel", "projects/p/regions/us-central1/subnetworks/s"],
    "--setup_file": ["none/setup.py", "requirements.txt"],
    "--requirements_file": ["none.txt", "."],
    "--extra_package": ["none.whl", "requirements.txt"],
    "--files_to_stage": ["none.txt"],
    "--sdk_location": ["none.tar.gz"],
}


@pytest.fixture(autouse=True)
def _a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("setup.py", "requirements.txt", "a.whl"):
        Path(name).touch()


def test_each_rule_has_wrong_values() -> None:
    assert sorted(rule.flag for rule in RULES) == sorted(WRONG)


@pytest.mark.parametrize("flag", RIGHT)
def test_right_values_are_taken(flag: str) -> None:
    given = [flag] if flag.startswith("--region=") else [flag, "--region=us-central1"]
    assert list(problems(PipelineOptions(given))) == []


@pytest.mark.parametrize(
    ("flag", "value"), [(flag, each) for flag in WRONG for each in WRONG[flag]]
)
def test_wrong_values_are_named(flag: str, value: str) -> None:
    (said,) = problems(PipelineOptions([f"{flag}={value}"]))
    (expected,) = [rule.expected for rule in RULES if rule.flag == flag]
    assert said.startswith(f"{flag} {value.strip()[:99]}")
    assert said.endswith(f": expected {expected}")
    assert "\n" not in said


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (
            ["--subnetwork=regions/us-east1/subnetworks/s"],
            "--subnetwork regions/us-east1/subnetworks/s: expected one in us-central1, the region "
            "of the workers",
        ),
        (
            ["--dataflow_kms_key=projects/p1/locations/global/keyRings/r/cryptoKeys/k"],
            "--dataflow_kms_key projects/p1/locations/global/keyRings/r/cryptoKeys/k: expected one "
            "in us-central1, the region of the job",
        ),
        (["--subnetwork=regions/us-east1/subnetworks/s", "--worker_zone=us-east1-b"], None),
        (["--subnetwork=regions/us-east1/subnetworks/s", "--worker_region=us-east1"], None),
    ],
)
def test_networks_and_keys_are_in_the_region(flags: list[str], said: str | None) -> None:
    found = list(problems(PipelineOptions(["--region=us-central1", *flags])))
    assert found == ([said] if said else [])


def test_workers_may_be_in_another_region_and_that_is_said() -> None:
    flags = ["--region=us-central1", "--worker_zone=europe-west1-b"]
    assert list(problems(PipelineOptions(flags))) == []
    assert region_note(PipelineOptions(flags)) == (
        "--region us-central1: workers run in europe-west1; what goes between regions is paid for"
    )
    assert region_note(PipelineOptions(["--region=us-central1"])) is None


def _words(*flags: str) -> list[str]:
    paths = ["--input=gs://no-such/in", "--output=gs://no-such/out"]
    cloud = ["--project=test-project", "--temp_location=gs://no-such/t"]
    image = f"--sdk_container_image=worker:{image_tag()}"
    return ["label", "--runner=DataflowRunner", *paths, *cloud, image, *flags]


@pytest.mark.parametrize("dry", [[], ["--dry-run"]])
def test_several_are_said_at_once_before_any_access(
    dry: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    # No storage is there: an access would end in another error, or never.
    assert main(_words("--region=US Central", "--disk_size_gb=-5", *dry)) == 2
    assert capsys.readouterr().err.splitlines() == [
        "quantlabel: --runner=DataflowRunner:",
        "  --region US Central: expected a region of Google Cloud, such as us-central1",
        "  --disk_size_gb -5: expected gigabytes, at least 30 (the worker's image and its logs), "
        "or 0 for the service's choice",
    ]
    assert sorted(os.listdir()) == ["a.whl", "requirements.txt", "setup.py"]
