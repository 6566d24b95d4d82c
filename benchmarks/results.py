"""What a benchmark found: the runs one by one, and what is derived from them."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Iterable
from typing import Any, NamedTuple

from benchmarks.process import Sample


class Run(NamedTuple):
    """One run of one contestant.

    Attributes:
        scenario: which part of the benchmark it belongs to.
        contestant: its name.
        pictures: how many it was given.
        seconds: wall time, start-up included.
        cpu_seconds: user and system time.
        peak_bytes: largest PSS of its process tree, or None where it cannot be told.
    """

    scenario: str
    contestant: str
    pictures: int
    seconds: float
    cpu_seconds: float
    peak_bytes: int | None


@dataclasses.dataclass(frozen=True)
class Summary:
    """Several runs of one contestant over the same pictures.

    Attributes:
        runs: how many.
        median_s: of the wall times.
        min_s: the shortest.
        max_s: the longest.
        cpu_s: median of the processor times.
        peak_bytes: the largest of the peaks.
    """

    scenario: str
    contestant: str
    pictures: int
    runs: int
    median_s: float
    min_s: float
    max_s: float
    cpu_s: float
    peak_bytes: int | None

    @property
    def rate(self) -> float:
        """Pictures a second, start-up included."""
        return self.pictures / self.median_s


class Agreement(NamedTuple):
    """Pictures for which a run gives the same first class as decoding in Python."""

    same: int
    of: int


@dataclasses.dataclass
class Results:
    """Everything that one invocation measured.

    Attributes:
        machine: description of the machine.
        command: how the benchmark was called.
        pictures: description of the pictures.
        runs: in the order in which they ran.
        stages: milliseconds a picture of each stage of ours, one thread.
        row_groups: pictures in a run to the row counts of its Parquet row groups, by file.
        agreement: on large pictures.
        soak: what a long run held, over its time.
        notes: what was left out, and why.
    """

    machine: dict[str, Any]
    command: str
    pictures: dict[str, Any] = dataclasses.field(default_factory=dict)
    runs: list[Run] = dataclasses.field(default_factory=list)
    stages: dict[str, float] = dataclasses.field(default_factory=dict)
    row_groups: dict[int, list[list[int]]] = dataclasses.field(default_factory=dict)
    agreement: Agreement | None = None
    soak: list[Sample] = dataclasses.field(default_factory=list)
    notes: list[str] = dataclasses.field(default_factory=list)

    def summaries(self, scenario: str | None = None) -> list[Summary]:
        """One for each contestant and number of pictures, in the order of their first runs."""
        groups: dict[tuple[str, str, int], list[Run]] = {}
        for run in self.runs:
            if scenario in (None, run.scenario):
                groups.setdefault(run[:3], []).append(run)
        return [summarize(runs) for runs in groups.values()]

    def find(self, scenario: str, contestant: str, pictures: int | None = None) -> Summary | None:
        """The summary of a contestant over so many pictures, by default the most it was given."""
        found = [
            summary
            for summary in self.summaries(scenario)
            if summary.contestant == contestant and pictures in (None, summary.pictures)
        ]
        return max(found, key=lambda summary: summary.pictures, default=None)


def summarize(runs: Iterable[Run]) -> Summary:
    """Runs of one contestant over the same pictures, at least one."""
    runs = list(runs)
    seconds = [run.seconds for run in runs]
    return Summary(
        *runs[0][:3],
        runs=len(runs),
        median_s=statistics.median(seconds),
        min_s=min(seconds),
        max_s=max(seconds),
        cpu_s=statistics.median(run.cpu_seconds for run in runs),
        peak_bytes=max((run.peak_bytes for run in runs if run.peak_bytes), default=None),
    )


def net(whole: Summary, one: Summary) -> float:
    """Seconds without start-up: the run over one picture is taken off."""
    return whole.median_s - one.median_s
