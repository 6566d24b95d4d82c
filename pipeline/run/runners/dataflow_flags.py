"""Values that Beam passes on as they are, and that fail when a job has been made, or on its way.

Forms are those of Google's pages on pipeline options, regions and networks of Dataflow and on the
resource names of Cloud KMS, as of 2026. They are wide: what may be right is left to the service.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import NamedTuple

from apache_beam.options.pipeline_options import (
    DebugOptions,
    GoogleCloudOptions,
    PipelineOptions,
    SetupOptions,
    WorkerOptions,
)


class _Form(NamedTuple):
    """What the text of a flag looks like.

    Attributes:
        group: of Beam's options.
        name: of the option there, and one that users may write.
        pattern: of the whole text.
        expected: the same for people.
    """

    group: type[PipelineOptions]
    name: str
    pattern: str
    expected: str


_NAME = "[a-z]([a-z0-9-]*[a-z0-9])?"
_ID = "[a-zA-Z0-9_-]{1,63}"

_FORMS = (
    _Form(GoogleCloudOptions, "job_name", ".{1,1024}", "at most 1,024 characters"),
    _Form(GoogleCloudOptions, "region", _NAME, "a region, such as us-central1"),
    _Form(WorkerOptions, "worker_region", _NAME, "a region, such as us-central1"),
    _Form(WorkerOptions, "worker_zone", _NAME, "a zone, such as us-central1-a"),
    _Form(WorkerOptions, "machine_type", _NAME, "a machine type, such as e2-standard-2"),
    _Form(WorkerOptions, "network", _NAME, "the name of a network"),
    _Form(
        WorkerOptions,
        "subnetwork",
        rf"(https://\S+/projects/\S+/)?regions/{_NAME}/subnetworks/{_NAME}",
        "regions/REGION/subnetworks/NAME or its whole URL",
    ),
    _Form(
        GoogleCloudOptions,
        "service_account_email",
        r"[^@\s]+@[^@\s]+\.[^@\s]+",
        "the address of a service account",
    ),
    _Form(
        GoogleCloudOptions,
        "dataflow_kms_key",
        f"projects/[^/]+/locations/{_NAME}/keyRings/{_ID}/cryptoKeys/{_ID}",
        "projects/PROJECT/locations/REGION/keyRings/RING/cryptoKeys/KEY",
    ),
)

_LEAST = (
    (WorkerOptions, "disk_size_gb", 0),
    (DebugOptions, "number_of_worker_harness_threads", 1),
)

_PACKAGES = (".tar", ".tar.gz", ".whl", ".zip")


def refusals(flags: PipelineOptions) -> Iterator[str]:
    """What would be refused, one line for each flag.

    Args:
        flags: of a job for Dataflow; nothing is asked but this machine's folders.
    """
    for form in _FORMS:
        value = getattr(flags.view_as(form.group), form.name)
        if value and not re.fullmatch(form.pattern, value):
            yield f"--{form.name} {value}: expected {form.expected}"
    for group, name, least in _LEAST:
        number = getattr(flags.view_as(group), name)
        if number is not None and number < least:
            yield f"--{name} {number}: expected {least} or more"
    yield from _missing_files(flags.view_as(SetupOptions))
    yield from _template(flags.view_as(GoogleCloudOptions).template_location)


def _missing_files(setup: SetupOptions) -> Iterator[str]:
    """What Beam copies to the workers, from this machine unless it is an address."""
    for name in ("setup_file", "requirements_file"):
        path = getattr(setup, name)
        if path and not os.path.isfile(path):
            yield f"--{name} {path}: no such file"
        elif path and name == "setup_file" and os.path.basename(path) not in _SETUP:
            yield f"--{name} {path}: expected a file called {' or '.join(_SETUP)}"
    for path in setup.extra_packages or []:
        if not path.endswith(_PACKAGES):
            yield f"--extra_package {path}: expected a package, {', '.join(_PACKAGES)}"
        elif "://" not in path and not os.path.isfile(path):
            yield f"--extra_package {path}: no such file"
    place = setup.sdk_location
    if place not in ("default", "container") and "://" not in place and not os.path.exists(place):
        yield f"--sdk_location {place}: no such file"


_SETUP = ("setup.py", "pyproject.toml")


def _template(location: str | None) -> Iterator[str]:
    if not location:
        return
    if "://" in location:
        if not re.fullmatch("gs://[^/]+/.*[^/]", location):
            yield f"--template_location {location}: expected gs://BUCKET/OBJECT"
    elif not os.path.isdir(os.path.dirname(location) or "."):
        yield f"--template_location {location}: no such folder"
