from __future__ import annotations

from apache_beam.runners.worker.statesampler import StateSampler
from apache_beam.utils.counters import CounterFactory

from pipeline.run.runners import runner
from pipeline.run.runners.options import RunnerOptions


def test_a_bundle_of_this_machine_waits_for_its_sampler_no_longer_than_it_must() -> None:
    runner.create(RunnerOptions())
    assert StateSampler("bundle", CounterFactory()).sampling_period_ms == runner.SAMPLING_MS
