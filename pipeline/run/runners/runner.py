"""A graph on its runner, and what a user is told of its errors."""

from __future__ import annotations

import re
from typing import Any

import apache_beam as beam
from apache_beam.io.filesystem import BeamIOError
from apache_beam.runners import create_runner
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from rich.console import Console

from pipeline.run.runners import dataflow, workers
from pipeline.run.runners.options import RunnerOptions
from transforms import beam_internals
from transforms.errors import UsageError, UserError

SAMPLING_MS = 10
"""Milliseconds between two looks at the step that a bundle is in, at most."""


def create(options: RunnerOptions) -> Any:
    """The runner. DirectRunner is FnApiRunner here: Beam's own switch tries to download another.

    Raises:
        UsageError: Beam has no such runner.
    """
    beam_internals.inspect_once()
    if options.is_local:
        workers.set_up()
        beam_internals.sample_steps_every(SAMPLING_MS)
        return FnApiRunner()
    # Beam's services need them, however Beam was imported.
    beam_internals.load_file_systems()
    try:
        return create_runner(options.runner)
    except (ValueError, ImportError) as error:
        raise UsageError(f"--runner {options.runner}: {error}") from error


def run(pipeline: beam.Pipeline, options: RunnerOptions, *, console: Console | None) -> None:
    """Runs a graph to its end.

    Args:
        pipeline: with the graph.
        options: of the command.
        console: where Dataflow's page is told, or None.

    Raises:
        UserError: the run has failed.
    """
    errors = dataflow.errors() if options.is_dataflow else ()
    try:
        result = pipeline.run()
        if options.is_dataflow:
            dataflow.wait(result, pipeline.options, console=console)
        else:
            result.wait_until_finish()
    # RuntimeError is how Beam reports whatever a worker has raised.
    except (UserError, RuntimeError, OSError, BeamIOError, *errors) as error:
        if "KeyboardInterrupt" in str(error):  # Beam rewords it when a transform was interrupted
            raise KeyboardInterrupt from error
        raise UserError(_explanation(error)) from error


def _explanation(error: Exception) -> str:
    """What went wrong, without Beam's traceback: the last line."""
    if died := workers.explanation(error):
        return died
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    # Beam adds the step's name to every message, and to ours.
    last = re.sub(r" \[while running '[^']*'\]$", "", lines[-1] if lines else type(error).__name__)
    ours = re.search(rf"\b{re.escape(UserError.__module__)}\.\w+: ", last)  # any of the module
    if isinstance(error, UserError) or ours:
        return last[ours.end() :] if ours else last
    return f"the run has failed: {last} (--verbose shows the traceback)"
