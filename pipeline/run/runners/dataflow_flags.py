"""Forms of Dataflow's flags that neither Beam nor its service looks at before a job is made.

They follow Google's public documentation as of 2026: "Pipeline options" and "Configure worker VMs"
(docs.cloud.google.com/dataflow/docs/reference/pipeline-options, .../guides/configure-worker-vm)
for flags of workers; the REST reference of Dataflow v1b3 for names of jobs; "Specify a network and
subnetwork" for networks; "Requirements for labels" of Resource Manager; "Create service accounts"
of IAM; "Cloud KMS resources"; "Regions and zones" and "Machine types" of Compute Engine.
"""

from __future__ import annotations

import ast
import dataclasses
import os
import re
import unicodedata
from collections.abc import Callable, Iterator
from typing import Any

from apache_beam.options.pipeline_options import (
    DebugOptions,
    GoogleCloudOptions,
    PipelineOptions,
    SetupOptions,
    WorkerOptions,
)

from transforms.errors import one_line
from transforms.storage import files
from transforms.storage.addresses import text

_REGION = r"[a-z]+(?:-[a-z]+)+\d{1,2}"
_ZONE = rf"{_REGION}-(?:ai\d+)?[a-z]"
_NAME = r"[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?"
_PROJECT = r"(?:[a-z0-9.-]+:)?[a-z][-a-z0-9]*[a-z0-9]"
_ACCOUNT = r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?@(?:[a-z0-9-]+\.)+gserviceaccount\.com"
_SERIES = r"[a-z]{1,2}\d{1,2}[a-z]{0,2}"
_MACHINE = (
    rf"{_SERIES}-(?:micro|small|medium|[a-z]+-\d+[gt]?(?:-[a-z]+)*)"
    rf"|(?:{_SERIES}-)?custom-(?:micro|small|medium|\d+)-\d+(?:-ext)?"
)
_DISK = (
    r"(?:compute\.googleapis\.com/projects/[^/]*/zones/[^/]*/diskTypes/)?(?:pd|hyperdisk)-[a-z-]+"
)
_SUBNETWORK = (
    rf"(?:https://(?:www|compute)\.googleapis\.com/compute/[a-z0-9]+/projects/{_PROJECT}/)?"
    rf"regions/(?P<region>{_REGION})/subnetworks/{_NAME}"
)
_KEY = (
    rf"projects/{_PROJECT}/locations/(?P<region>[a-z0-9-]+)/keyRings/[\w-]{{1,63}}"
    r"/cryptoKeys/[\w-]{1,63}"
)
_PACKAGES = (".tar", ".tar.gz", ".whl", ".zip")


@dataclasses.dataclass(frozen=True)
class Rule:
    """What the values of a flag must be.

    Attributes:
        flag: as a user types it.
        group: of Beam's options that has it.
        name: in that group; its value, or each of a list, is looked at unless it is None.
        right: says of a value, as text, whether it is.
        expected: what a user is told.
    """

    flag: str
    group: Any
    name: str
    right: Callable[[str], bool]
    expected: str


def _form(pattern: str) -> Callable[[str], bool]:
    compiled = re.compile(pattern, re.ASCII)
    return lambda value: compiled.fullmatch(value) is not None


def _at_least(least: int) -> Callable[[str], bool]:
    return lambda value: int(value) >= least


def _file(*endings: str) -> Callable[[str], bool]:
    """A file that is here and is named so; what is elsewhere is for Beam to fetch."""
    return lambda path: path.endswith(endings or "") and ("://" in path or os.path.isfile(path))


def _template(path: str) -> bool:
    if not files.is_local(path):
        return bool(re.fullmatch(r"gs://[^/]+/.*[^/]", path))
    folder = os.path.dirname(path) or "."
    return os.access(folder, os.W_OK) and not os.path.isdir(path)


def _labels(value: str) -> bool:
    """Beam takes what is no JSON for key=value, and the service refuses the job at the end."""
    try:
        pairs = ast.literal_eval(value) if "{" in value else dict([value.split("=", 1)])
    except (ValueError, SyntaxError):  # as Beam reads them
        return False
    return isinstance(pairs, dict) and all(_is_label(*pair) for pair in pairs.items())


def _is_label(key: Any, value: Any) -> bool:
    if not isinstance(key, str) or not isinstance(value, str) or not key:
        return False
    # Letters of scripts without cases are lower-case letters too.
    begins = unicodedata.category(key[0]) in ("Ll", "Lo")
    signs = all(
        sign in "-_" or unicodedata.category(sign) in ("Ll", "Lo", "Nd") for sign in key + value
    )
    return begins and signs and len(key) <= 63 and len(value) <= 63


_CLOUD, _WORKER, _SETUP = GoogleCloudOptions, WorkerOptions, SetupOptions
_A_REGION = "a region of Google Cloud, such as us-central1"
_A_ZONE = "a zone of Google Cloud, such as us-central1-a"
_AN_ACCOUNT = "the address of a service account, such as NAME@PROJECT.iam.gserviceaccount.com"
_POSITIVE = "a whole number from 1 on"

RULES = (
    Rule("--region", _CLOUD, "region", _form(_REGION), _A_REGION),
    Rule("--worker_region", _WORKER, "worker_region", _form(_REGION), _A_REGION),
    Rule("--worker_zone", _WORKER, "worker_zone", _form(_ZONE), _A_ZONE),
    Rule("--zone", _WORKER, "zone", _form(_ZONE), _A_ZONE),
    Rule(
        "--job_name",
        _CLOUD,
        "job_name",
        lambda name: len(name) <= 1024,  # its signs are Beam's business
        "at most 1,024 letters",
    ),
    Rule(
        "--labels",
        _CLOUD,
        "labels",
        _labels,
        "key=value, or a dict of such pairs. A key begins with a lower-case letter; key and value "
        "have at most 63 lower-case letters, digits, _ and -. The labels of pictures are those of "
        "--label-map",
    ),
    Rule("--service_account_email", _CLOUD, "service_account_email", _form(_ACCOUNT), _AN_ACCOUNT),
    Rule(
        "--dataflow_kms_key",
        _CLOUD,
        "dataflow_kms_key",
        _form(_KEY),
        "projects/PROJECT/locations/REGION/keyRings/RING/cryptoKeys/KEY",
    ),
    Rule(
        "--template_location",
        _CLOUD,
        "template_location",
        _template,
        "gs://BUCKET/FILE, or a file in a folder of this machine that can be written",
    ),
    Rule("--num_workers", _WORKER, "num_workers", _at_least(1), _POSITIVE),
    Rule("--max_num_workers", _WORKER, "max_num_workers", _at_least(1), _POSITIVE),
    Rule(
        "--number_of_worker_harness_threads",
        DebugOptions,
        "number_of_worker_harness_threads",
        _at_least(1),
        _POSITIVE,
    ),
    Rule(
        "--worker_machine_type",
        _WORKER,
        "machine_type",
        _form(_MACHINE),
        "a machine type of Compute Engine, such as e2-standard-2 or n2-custom-4-8192",
    ),
    Rule(
        "--disk_size_gb",
        _WORKER,
        "disk_size_gb",
        lambda size: int(size) == 0 or int(size) >= 30,
        "gigabytes, at least 30 (the worker's image and its logs), or 0 for the service's choice",
    ),
    Rule(
        "--worker_disk_type",
        _WORKER,
        "disk_type",
        _form(_DISK),
        "pd-ssd, or compute.googleapis.com/projects/PROJECT/zones/ZONE/diskTypes/pd-ssd",
    ),
    Rule("--disk_provisioned_iops", _WORKER, "disk_provisioned_iops", _at_least(1), _POSITIVE),
    Rule(
        "--disk_provisioned_throughput_mibps",
        _WORKER,
        "disk_provisioned_throughput_mibps",
        _at_least(1),
        _POSITIVE,
    ),
    Rule(
        "--network",
        _WORKER,
        "network",
        _form(_NAME),
        "the name of a network alone; one of another project is found by its --subnetwork",
    ),
    Rule(
        "--subnetwork",
        _WORKER,
        "subnetwork",
        _form(_SUBNETWORK),
        "regions/REGION/subnetworks/NAME, or https://www.googleapis.com/compute/v1/projects/PROJECT"
        "/regions/REGION/subnetworks/NAME",
    ),
    Rule(
        "--setup_file",
        _SETUP,
        "setup_file",
        lambda path: (
            os.path.basename(path) in ("setup.py", "pyproject.toml") and os.path.isfile(path)
        ),
        "a file of this machine called setup.py or pyproject.toml",
    ),
    Rule(
        "--requirements_file",
        _SETUP,
        "requirements_file",
        os.path.isfile,
        "a file of this machine",
    ),
    Rule(
        "--extra_package",
        _SETUP,
        "extra_packages",
        _file(*_PACKAGES),
        f"a package that is there, its name ending in {', '.join(_PACKAGES)}",
    ),
    Rule("--files_to_stage", _SETUP, "files_to_stage", _file(), "a file of this machine"),
    Rule(
        "--sdk_location",
        _SETUP,
        "sdk_location",
        lambda path: path in ("", "default", "container") or "://" in path or os.path.exists(path),
        "default, container, or a package of Beam that is there",
    ),
)


def problems(flags: PipelineOptions) -> Iterator[str]:
    """What is wrong with the flags of a job, a line each; no service is asked.

    Args:
        flags: for Beam.
    """
    found = False
    for rule in RULES:
        given = getattr(flags.view_as(rule.group), rule.name)
        for value in given if isinstance(given, list) else [given]:
            if value is not None and not rule.right(str(value)):
                found = True
                yield f"{rule.flag} {one_line(text(str(value)))}: expected {rule.expected}"
    if not found:
        yield from _elsewhere(flags)


def workers_region(flags: PipelineOptions) -> str | None:
    """Where workers run: the region of their zone, their own, or the job's.

    Args:
        flags: for Beam, of the right forms.
    """
    worker = flags.view_as(WorkerOptions)
    zone = worker.worker_zone or worker.zone
    region: str | None = worker.worker_region or flags.view_as(GoogleCloudOptions).region
    return zone.rpartition("-")[0] if zone else region


def _elsewhere(flags: PipelineOptions) -> Iterator[str]:
    """What must be in one region and is not."""
    cloud = flags.view_as(GoogleCloudOptions)
    subnetwork = flags.view_as(WorkerOptions).subnetwork
    for flag, value, form, region, whose in (
        ("--subnetwork", subnetwork, _SUBNETWORK, workers_region(flags), "the workers"),
        ("--dataflow_kms_key", cloud.dataflow_kms_key, _KEY, cloud.region, "the job"),
    ):
        match = re.fullmatch(form, value) if value else None
        if match and match["region"] != region:
            yield f"{flag} {value}: expected one in {region}, the region of {whose}"
