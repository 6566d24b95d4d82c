"""How many processes of a run share the memory of a machine."""

from __future__ import annotations

import pytest

from pipeline.run.runners.options import RunnerOptions, beam_options, inert, processes
from transforms.errors import UsageError


@pytest.mark.parametrize(
    ("runner", "flags", "expected"),
    [
        ("DirectRunner", (), 1),
        ("DirectRunner", ("--direct_num_workers=4",), 1),
        (
            "DirectRunner",
            ("--direct_num_workers=4", "--direct_running_mode=multi_processing"),
            4,
        ),
        (
            "DirectRunner",
            ("--direct_num_workers=0", "--direct_running_mode=multi_processing"),
            None,
        ),
        ("DataflowRunner", (), None),
        ("FlinkRunner", (), None),
    ],
)
def test_processes(runner: str, flags: tuple[str, ...], expected: int | None) -> None:
    options = RunnerOptions(runner=runner, beam_args=flags)
    assert processes(options, beam_options(options)) == expected


@pytest.mark.parametrize(
    ("runner", "flags", "named"),
    [
        ("DirectRunner", ("--num_workers=4", "--region=r"), ["--num_workers", "--region"]),
        ("DirectRunner", ("--flink_version=1.19",), ["--flink_version"]),
        ("DirectRunner", ("--template_location=gs://b/t",), ["--template_location"]),
        ("DirectRunner", ("--direct_num_workers=2", "--project=p"), []),
        ("DataflowRunner", ("--direct_num_workers=2",), ["--direct_num_workers"]),
        ("DataflowRunner", ("--num_workers=4", "--region=r"), []),
    ],
)
def test_flags_that_another_runner_reads_are_named(
    runner: str, flags: tuple[str, ...], named: list[str]
) -> None:
    assert inert(RunnerOptions(runner=runner, beam_args=flags)) == named


@pytest.mark.parametrize(
    "flag",
    [
        "--gcs_custom_audit_entries=who",
        "--gcs_custom_audit_entries=[1]",
        '--gcs_custom_audit_entries={"who": 1}',
        "--sdk_harness_log_level_overrides=[1]",
    ],
)
def test_json_of_another_form_is_refused_in_one_line(flag: str) -> None:
    with pytest.raises(UsageError) as caught:
        beam_options(RunnerOptions(beam_args=(flag,)))
    assert str(caught.value) == (
        f'a flag of Beam: {flag}: expected JSON, such as {{"key": "value"}}'
    )
