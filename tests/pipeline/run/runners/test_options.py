"""How many processes of a run share the memory of a machine."""

from __future__ import annotations

import pytest

from pipeline.run.runners.options import RunnerOptions, beam_options, processes


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
