"""`quantlabel head apply`: a head's labels for every row of a run, without reading a picture."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import apache_beam as beam
from rich.console import Console

from pipeline.console.checks import require, require_run
from pipeline.heads.graph import Source, build
from pipeline.heads.head import FILE, read_head
from pipeline.run.folder.finished import FinishedRun, open_run
from pipeline.run.runners import dataflow, progress, runner
from pipeline.run.runners.options import RunnerOptions, beam_options
from transforms._version import VERSION
from transforms.rows.kinds import RowKind
from transforms.rows.names import HEAD_FOLDER, MANIFEST
from transforms.storage import files

_STAGING = "_temporary-"
_EXAMPLE = "head apply gs://BUCKET/labels"


@dataclasses.dataclass(frozen=True, kw_only=True)
class ApplyOptions(RunnerOptions):
    """What gets labels from which head.

    Attributes:
        folder: of a finished run.
        head: a file that `quantlabel head fit` wrote; None for `__head/head.npz` in the folder.

    Raises:
        UsageError: one of them is empty.
    """

    folder: str
    head: str | None = None

    def __post_init__(self) -> None:
        """Checks the values; touches no file."""
        require_run(self.folder)
        require(self.head != "", "--head", "a file", self.head)


def apply(options: ApplyOptions, *, console: Console | None = None) -> dict[str, Any] | None:
    """Writes `__head/predictions-*.parquet` in the folder of the run, a file for each of its own.

    They appear when all are complete, and then replace those of an earlier head.

    Args:
        options: what gets labels from which head.
        console: where live progress goes, or None for none.

    Returns:
        The manifest that is written with them; None if only a Dataflow template was written.

    Raises:
        UserError: there is no finished run or no head, they do not go together, or the labels
            could not be written.
    """
    flags = beam_options(options)
    runs_on = runner.create(options)
    if options.is_dataflow:
        paths = [("DIR", options.folder)]
        dataflow.prepare(options, flags, runs_on=runs_on, paths=paths, command=_EXAMPLE)
        dataflow.require_places(flags)
    run = open_run(options.folder, with_vectors=True)
    path = options.head or run.find(FILE)
    head = read_head(path)
    head.require_fits(run)
    folder = files.join(options.folder, HEAD_FOLDER)
    staging = files.fresh_folder(folder, prefix=_STAGING)
    identity = {
        "version": VERSION,
        "run": {"started": run.manifest.started},
        "head": {"path": path, "labels": head.labels, **head.about},
    }
    with progress.reports(console=console if options.is_local else None) as progress_folder:
        if progress_folder:
            listed = progress.Report(progress_folder)
            # Here the launcher knows how many there are.
            listed.add("listed", run.manifest.predictions)
        pipeline = beam.Pipeline(runner=runs_on, options=flags)
        build(
            pipeline,
            _sources(run),
            head=head,
            folder=folder,
            staging=staging,
            identity=identity,
            progress_folder=progress_folder,
        )
        if options.is_dataflow and not dataflow.waits(flags):
            pipeline.run()
            if console is not None:
                console.print(dataflow.template_note(flags), soft_wrap=True)
            return None
        try:
            runner.run(pipeline, options, console=console)
        finally:
            files.delete_tree(staging)
    manifest: dict[str, Any] = json.loads(files.read_bytes(files.join(folder, MANIFEST)))
    return manifest


def _sources(run: FinishedRun) -> list[Source]:
    rows = {files.join(run.folder, shard.name): shard.rows for shard in run.files}
    shards = run.shards(RowKind.PREDICTION)
    return [Source(number, path, rows[path]) for number, path in enumerate(shards)]
