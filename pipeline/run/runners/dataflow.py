"""What a run on Dataflow must be told, checked before anything is read, written or submitted."""

from __future__ import annotations

import ast
import collections
import contextlib
import re
import sys
import time
import uuid
from collections.abc import Sequence
from typing import Any

from apache_beam import __version__ as beam_version
from apache_beam.metrics import MetricsFilter
from apache_beam.options.pipeline_options import (
    DebugOptions,
    GoogleCloudOptions,
    PipelineOptions,
    SetupOptions,
    WorkerOptions,
)
from apache_beam.runners.runner import PipelineState
from rich.console import Console

from pipeline.console import progress_bar
from pipeline.run.runners import dataflow_flags, progress
from pipeline.run.runners.options import RunnerOptions
from transforms import beam_internals
from transforms.errors import UsageError, UserError, one_line

THREADS = 2
"""Threads of a worker process unless `--number_of_worker_harness_threads` says otherwise.

Dataflow would start twelve. Each has pictures in flight and a pool of decoding threads of its own,
as many as the machine has processors, and there is a process for each processor already.
"""

# Between two questions for the counters, which the service itself renews every half minute.
_ASK_SECONDS = 20.0

_EXAMPLE = """\
quantlabel {command} --runner=DataflowRunner \\
      --project=PROJECT --region=us-central1 --temp_location=gs://BUCKET/tmp \\
      --sdk_container_image=REGION-docker.pkg.dev/PROJECT/quantlabel/worker:{tag} \\
      --worker_machine_type=e2-standard-2 --max_num_workers=50"""

# Families of machines with ARM processors, of Google's list of machine types in 2026.
_ARM = ("t2a", "c4a", "n4a")

_PYTHON = re.compile(r"(?:py|python)(\d+\.\d+)(?!\d)")
_BEAM = re.compile(r"beam(\d+\.\d+)(?!\d)")
_APACHE = re.compile(r"beam_python(\d+\.\d+)_sdk:(\d+\.\d+)(?!\d)")


def prepare(
    options: RunnerOptions,
    flags: PipelineOptions,
    *,
    runs_on: Any,
    paths: Sequence[tuple[str, str]],
    command: str,
) -> None:
    """Checks the flags, as far as that asks no service, and adds what follows from them.

    Args:
        options: of the command.
        flags: for Beam; the job's name and `number_of_worker_harness_threads` are set if they were
            not.
        runs_on: the runner.
        paths: flags and paths that workers use.
        command: as it may look, for messages.

    Raises:
        UsageError: flags are missing, Beam or Dataflow would refuse one, or launcher and image are
            not of one version.
    """
    _require_flags(flags, paths=paths, command=command)
    image = flags.view_as(WorkerOptions).sdk_container_image
    if image and not options.allow_image:
        require_same_versions(image)
    cloud = flags.view_as(GoogleCloudOptions)
    if cloud.job_name is None:
        # Beam's own is of the user's name here, which is root in every container.
        cloud.job_name = f"quantlabel-{time.strftime('%Y%m%d-%H%M%S')}-{uuid.uuid4().hex[:4]}"
    _require_labels(cloud.labels or [])
    found = [*beam_internals.problems(flags, runs_on), *dataflow_flags.refusals(flags)]
    if found:
        raise UsageError("--runner=DataflowRunner: " + "; ".join(map(one_line, found)))
    workers = flags.view_as(DebugOptions)
    if workers.number_of_worker_harness_threads is None:
        workers.number_of_worker_harness_threads = THREADS


def _require_labels(labels: Sequence[str]) -> None:
    """Beam takes what is no JSON for key=value, and the service refuses the job at the end."""
    for label in labels:
        try:
            pairs = ast.literal_eval(label) if "{" in label else dict([label.split("=", 1)])
        except (ValueError, SyntaxError):  # as Beam reads them
            pairs = None
        if not isinstance(pairs, dict) or not all(_is_label(*pair) for pair in pairs.items()):
            raise UsageError(
                f"--labels {label}: expected key=value, or a dict of such pairs. A key begins with "
                "a lower-case letter; key and value have at most 63 lower-case letters, digits, _ "
                "and -. The labels of pictures are those of --label-map"
            )


def _is_label(key: str, value: Any) -> bool:
    return bool(re.fullmatch(r"[a-z][a-z0-9_-]{0,62}", key)) and bool(
        isinstance(value, str) and re.fullmatch(r"[a-z0-9_-]{0,63}", value)
    )


def machine_note(flags: PipelineOptions) -> str | None:
    """What a machine of another kind of processor needs, or None."""
    machine = flags.view_as(WorkerOptions).machine_type or ""
    if machine.partition("-")[0] not in _ARM:
        return None
    return (
        f"--worker_machine_type {machine}: a machine with ARM processors; the image must hold "
        "linux/arm64 (docs/dataflow.md)"
    )


def waits(flags: PipelineOptions) -> bool:
    """Whether a job is started and can be waited for, rather than a template written."""
    return not flags.view_as(GoogleCloudOptions).template_location


def template_note(flags: PipelineOptions) -> str:
    """What a user is told when a template was written."""
    location = flags.view_as(GoogleCloudOptions).template_location
    return f"Wrote the template {location}; no job was submitted"


def errors() -> tuple[type[Exception], ...]:
    """What Dataflow raises when it refuses a job, or a job fails."""
    from apache_beam.runners.dataflow.dataflow_runner import DataflowRuntimeException
    from google.api_core.exceptions import GoogleAPIError
    from google.auth.exceptions import GoogleAuthError

    # ValueError: what Beam says of a flag when it has made the job.
    return DataflowRuntimeException, GoogleAPIError, GoogleAuthError, ValueError


def wait(result: Any, flags: PipelineOptions, *, console: Console | None) -> None:
    """Waits for a submitted job; an interrupt here cancels it, since nobody would wait for it.

    Args:
        result: of `pipeline.run()`.
        flags: for Beam.
        console: where the address of the job's page and its progress go, or None.

    Raises:
        UserError: the job was cancelled or replaced by another one, or failed without a reason.
    """
    try:
        with contextlib.ExitStack() as showing:
            if console is not None:
                _announce(result, flags, console)
                asked = _Asked(result).counts
                showing.enter_context(
                    progress_bar.shown(asked, console=console, every=_ASK_SECONDS)
                )
            result.wait_until_finish()
    except KeyboardInterrupt:
        result.cancel()
        raise
    except errors()[0] as error:
        # Of a job that somebody has stopped, or that failed at once, Beam says no more than None.
        if result.state == PipelineState.FAILED and not str(error).endswith("\nNone"):
            raise
    if result.state != PipelineState.DONE:  # Beam is silent if it was so from the start
        raise UserError(f"the job has ended as {result.state}, not every picture has its row")


class _Asked:
    """What the service says of a running job.

    Args:
        result: of `pipeline.run()`.
    """

    def __init__(self, result: Any) -> None:
        self._result = result
        self._last = progress_bar.Counts(0, 0, 0)

    def counts(self) -> progress_bar.Counts:
        """The counters of the job; those before if the service does not answer just now."""
        named = MetricsFilter().with_namespace(progress.NAMESPACE)
        # KeyError: Beam wants two values of each counter; a job that just began may have one.
        with contextlib.suppress(*errors(), OSError, KeyError):
            found = self._result.metrics().query(named)["counters"]
            sums: collections.Counter[str] = collections.Counter()
            for metric in found:
                sums[metric.key.metric.name] += metric.result or 0
            self._last = progress_bar.Counts(*(sums[kind] for kind in progress_bar.Counts._fields))
        return self._last


def _announce(result: Any, flags: PipelineOptions, console: Console) -> None:
    cloud = flags.view_as(GoogleCloudOptions)
    page = f"{cloud.region}/{result.job_id()}?project={cloud.project}"
    console.print(
        f"Submitted {result.job_id()}: https://console.cloud.google.com/dataflow/jobs/{page}",
        highlight=False,
        soft_wrap=True,
    )


def _require_flags(
    flags: PipelineOptions, *, paths: Sequence[tuple[str, str]], command: str
) -> None:
    cloud = flags.view_as(GoogleCloudOptions)
    code = (
        flags.view_as(WorkerOptions).sdk_container_image or flags.view_as(SetupOptions).setup_file
    )
    needed = {
        "--project": cloud.project,
        "--region": cloud.region,
        "--temp_location=gs://...": cloud.temp_location,
        "--sdk_container_image, which has quantlabel (or --setup_file=./setup.py, slower)": code,
    }
    lines = [f"{flag}: missing" for flag, value in needed.items() if not value]
    lines += [
        f"{flag} {path}: workers cannot reach this machine's files; expected gs://..."
        for flag, path in paths
        if "://" not in path
    ]
    if lines:
        example = _EXAMPLE.format(command=command, tag=image_tag())
        below = [
            *(f"  {line}" for line in lines),
            "A complete example:",
            *f"  {example}".splitlines(),
        ]
        raise UsageError("--runner=DataflowRunner:", below=below)


def image_tag() -> str:
    """The tag that an image of this version of Python and Beam has, as deploy/README.md says."""
    return f"py{_python()}-beam{_minor(beam_version)}"


def require_same_versions(image: str) -> None:
    """Compares an image's name with the Python and Beam that run here.

    Workers unpickle what the launcher has pickled, which other minor versions cannot.

    Raises:
        UsageError: they differ, or the name does not tell.
    """
    here = (_python(), _minor(beam_version))
    there = _versions(image)
    if there is None:
        raise UsageError(
            f"--sdk_container_image {image}: the name does not say which Python and Beam are in "
            f"it. Expected a tag with py{here[0]}-beam{here[1]}, the versions here; "
            "deploy/README.md says how images are built and named. If you know that it has these, "
            "add --allow-image."
        )
    for what, ours, theirs in zip(("Python", "Beam"), here, there, strict=True):
        if ours != theirs:
            raise UsageError(
                f"--sdk_container_image {image}: {what} {theirs} there, {what} {ours} here. "
                "Workers cannot read what another minor version has pickled. "
                f"Use an image with {what} {ours}, or launch from {what} {theirs}."
            )


def _versions(image: str) -> tuple[str, str] | None:
    """Minor versions of Python and Beam, from our own tags or the names of Beam's images."""
    if apache := _APACHE.search(image):
        return apache[1], apache[2]
    # After the last slash: a registry may have a port, with a colon of its own.
    _, _, tag = image.rpartition("/")[2].partition(":")
    python, beam = _PYTHON.search(tag), _BEAM.search(tag)
    return (python[1], beam[1]) if python and beam else None


def _python() -> str:
    return _minor(sys.version.split()[0])


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])
