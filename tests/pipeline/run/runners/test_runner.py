"""Where a graph runs, and what a user is told of its errors."""

from __future__ import annotations

import pytest
from apache_beam.runners.worker.statesampler import StateSampler
from apache_beam.utils.counters import CounterFactory

from pipeline.run.runners import runner
from pipeline.run.runners.options import RunnerOptions


def test_a_bundle_of_this_machine_waits_for_its_sampler_no_longer_than_it_must() -> None:
    runner.create(RunnerOptions())
    assert StateSampler("bundle", CounterFactory()).sampling_period_ms == runner.SAMPLING_MS


@pytest.mark.parametrize("name", ["UserError", "UsageError", "MissingExtraError"])
def test_an_error_of_ours_is_told_without_what_beam_puts_around_it(name: str) -> None:
    error = RuntimeError(
        f"Traceback\ntransforms.errors.{name}: gs:// needs an extra [while running 'Load']"
    )
    assert runner._explanation(error) == "gs:// needs an extra"


def test_an_error_of_somebody_else_says_that_the_run_has_failed() -> None:
    error = RuntimeError("Traceback\nValueError: UserError: x")
    assert runner._explanation(error) == (
        "the run has failed: ValueError: UserError: x (--verbose shows the traceback)"
    )
