"""What `label --dry-run` says: what would be started, with what flags, at what cost."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import (
    DebugOptions,
    GoogleCloudOptions,
    PipelineOptions,
    WorkerOptions,
)
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipeline.console.units import byte_size
from pipeline.run.options import LabelOptions
from transforms.storage.addresses import shown


@dataclasses.dataclass(frozen=True, kw_only=True)
class Submission:
    """A run that was not started.

    Attributes:
        runner: name of Beam's runner.
        output: folder of the rows.
        steps: transforms of the graph that do something themselves.
        graph_bytes: of the graph as a runner gets it, the network included.
        flags: of Dataflow, by name; empty for other runners.
    """

    runner: str
    output: str
    steps: int
    graph_bytes: int
    flags: dict[str, str]


def described(options: LabelOptions, flags: PipelineOptions, pipeline: beam.Pipeline) -> Submission:
    """What would be submitted.

    Args:
        options: of the run.
        flags: for Beam.
        pipeline: with its graph.
    """
    graph = pipeline.to_runner_api()
    steps = [step for step in graph.components.transforms.values() if not step.subtransforms]
    return Submission(
        runner=options.runner,
        output=shown(options.output),
        steps=len(steps),
        graph_bytes=graph.ByteSize(),
        flags=dict(_cloud_flags(flags)) if options.is_dataflow else {},
    )


def _cloud_flags(flags: PipelineOptions) -> Iterator[tuple[str, str]]:
    cloud, worker = flags.view_as(GoogleCloudOptions), flags.view_as(WorkerOptions)
    threads = flags.view_as(DebugOptions).number_of_worker_harness_threads
    values: dict[str, Any] = {
        "job": cloud.job_name,
        "project": cloud.project,
        "region": cloud.region,
        "template": cloud.template_location,
        "temporary files": cloud.temp_location,
        "image": worker.sdk_container_image,
        "machine": worker.machine_type or "the service's choice",
        "workers": _workers(worker),
        "threads a process": threads,
        "service account": cloud.service_account_email or "the project's default",
        "network": worker.subnetwork or worker.network or "the project's default",
        "public addresses": "no" if worker.use_public_ips is False else "yes",
        "scheduling": cloud.flexrs_goal or "at once",
        "key": cloud.dataflow_kms_key or "Google's",
        "labels": ", ".join(cloud.labels or []),
    }
    for name, value in values.items():
        if value:
            yield name, str(value)


def _workers(worker: WorkerOptions) -> str:
    first = f"{worker.num_workers} at first" if worker.num_workers else "the service's choice"
    most = worker.max_num_workers
    return f"{first}, at most {most}" if most else f"{first}, no limit but the quota"


def print_submission(found: Submission, *, console: Console) -> None:
    """Prints it as a table."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    graph = f"{found.steps} steps, {byte_size(found.graph_bytes)} with the network"
    rows = {"runner": found.runner, "output folder": found.output, "graph": graph, **found.flags}
    for name, value in rows.items():
        table.add_row(name, escape(value))
    console.print(table)
