from __future__ import annotations

from pathlib import Path

import pytest
from apache_beam.options.pipeline_options import PipelineOptions

from pipeline.run.runners.dataflow_flags import refusals

_SUBNETWORK = "regions/us-central1/subnetworks/private"
_KEY = "projects/p/locations/global/keyRings/r_1/cryptoKeys/K-2"


@pytest.mark.parametrize(
    "flag",
    [
        f"--job_name={'a' * 1024}",
        "--region=northamerica-northeast1",
        "--worker_zone=us-central1-a",
        "--machine_type=n2-custom-4-8192",
        "--disk_size_gb=0",
        "--number_of_worker_harness_threads=1",
        "--network=default",
        f"--subnetwork={_SUBNETWORK}",
        f"--subnetwork=https://www.googleapis.com/compute/v1/projects/a.com:p/{_SUBNETWORK}",
        "--service_account_email=w@p.iam.gserviceaccount.com",
        f"--dataflow_kms_key={_KEY}",
        "--sdk_location=container",
        "--sdk_location=gs://bucket/beam.tar.gz",
        "--extra_package=gs://bucket/mine.whl",
        "--template_location=gs://bucket/templates/label",
        "--template_location=template.json",
    ],
)
def test_what_is_right_or_may_be_passes(flag: str) -> None:
    assert list(refusals(PipelineOptions([flag]))) == []


@pytest.mark.parametrize(
    ("flag", "said"),
    [
        (f"--job_name={'a' * 1025}", "at most 1,024 characters"),
        ("--region=US Central", "--region US Central: expected a region, such as us-central1"),
        ("--worker_region=us_central1", "expected a region"),
        ("--worker_zone=us-central1-", "expected a zone"),
        ("--worker_machine_type=4 cores", "--machine_type 4 cores: expected a machine type"),
        ("--disk_size_gb=-5", "--disk_size_gb -5: expected 0 or more"),
        ("--number_of_worker_harness_threads=0", "expected 1 or more"),
        ("--network=https://x/networks/n", "expected the name of a network"),
        ("--subnetwork=private", "expected regions/REGION/subnetworks/NAME"),
        ("--service_account_email=worker", "expected the address of a service account"),
        ("--dataflow_kms_key=my-key", "expected projects/PROJECT/locations/"),
        ("--setup_file=/no/setup.py", "--setup_file /no/setup.py: no such file"),
        ("--requirements_file=/no/r.txt", "--requirements_file /no/r.txt: no such file"),
        ("--extra_package=/no/a.whl", "--extra_package /no/a.whl: no such file"),
        ("--extra_package=gs://b/a.rar", "expected a package, .tar, .tar.gz, .whl, .zip"),
        ("--sdk_location=/no/beam.tar.gz", "--sdk_location /no/beam.tar.gz: no such file"),
        ("--template_location=/no/folder/t", "--template_location /no/folder/t: no such folder"),
        ("--template_location=gs://bucket", "expected gs://BUCKET/OBJECT"),
        ("--template_location=s3://b/t", "expected gs://BUCKET/OBJECT"),
    ],
)
def test_what_would_fail_later_is_named(flag: str, said: str) -> None:
    (found,) = refusals(PipelineOptions([flag]))
    assert said in found


def test_a_setup_file_has_the_name_that_beam_wants(tmp_path: Path) -> None:
    (tmp_path / "setup.py").touch()
    (tmp_path / "install.py").touch()
    assert list(refusals(PipelineOptions([f"--setup_file={tmp_path}/setup.py"]))) == []
    (found,) = refusals(PipelineOptions([f"--setup_file={tmp_path}/install.py"]))
    assert "expected a file called setup.py or pyproject.toml" in found
