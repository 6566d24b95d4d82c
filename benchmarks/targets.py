"""What quantlabel promises, each held against what was measured."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Literal, NamedTuple

from benchmarks.contestants import BEFORE
from benchmarks.process import Sample
from benchmarks.results import Results, Summary, net

MANY = 10_000
"""Pictures from which on the throughput targets hold: with fewer, start-up decides."""

VERY_MANY = 100_000

SOAK = 200_000
"""Pictures of the long run."""

MANY_LARGE = 300
"""The same for pictures of 12 megapixels."""

ROWS_PER_GROUP = 10_000

_WRITING = ("encode", "write")


class Verdict(NamedTuple):
    """A target, held against the measurement.

    Attributes:
        target: what is promised.
        wanted: the bound, for people.
        measured: the measurement, for people.
        status: SKIP where this invocation did not measure it.
    """

    target: str
    wanted: str
    measured: str
    status: Literal["PASS", "FAIL", "SKIP"]


@dataclasses.dataclass(frozen=True)
class Target:
    """A bound.

    Attributes:
        title: what is measured.
        bound: the value that is still good.
        at_least: whether more is better.
        style: how a value is shown, a format string.
        measure: finds the value in the results; None if it was not measured.
        with_vnni: the bound where the kernel has AVX512-VNNI, if it is another one.
    """

    title: str
    bound: float
    at_least: bool
    style: str
    measure: Callable[[Results], float | None]
    with_vnni: float | None = None


def judge(results: Results) -> list[Verdict]:
    """All targets, in order."""
    return [_judge(target, results) for target in TARGETS]


def _judge(target: Target, results: Results) -> Verdict:
    relation = "at least" if target.at_least else "at most"
    has_vnni = "avx512vnni" in results.machine.get("kernel", "")
    bound = target.bound if target.with_vnni is None or not has_vnni else target.with_vnni
    wanted = f"{relation} {target.style.format(bound)}"
    value = target.measure(results)
    if value is None:
        return Verdict(target.title, wanted, "not measured", "SKIP")
    good = value >= bound if target.at_least else value <= bound
    return Verdict(target.title, wanted, target.style.format(value), "PASS" if good else "FAIL")


def _faster_than(rival: str, *, scenario: str, pictures: int) -> Callable[[Results], float | None]:
    """How many times as long the rival takes, on at least so many pictures."""

    def measure(results: Results) -> float | None:
        ours, theirs = (_enough(results, scenario, name, pictures) for name in ("ours", rival))
        if ours is None or theirs is None or ours.pictures != theirs.pictures:
            return None
        return theirs.median_s / ours.median_s

    return measure


def _against_before(
    cost: Callable[[Summary], float], *, scenario: str, pictures: int
) -> Callable[[Results], float | None]:
    """A cost of ours as a share of that of the version before, on at least so many pictures."""

    def measure(results: Results) -> float | None:
        ours, before = (_enough(results, scenario, name, pictures) for name in ("ours", BEFORE))
        return cost(ours) / cost(before) if ours and before else None

    return measure


def _seconds(summary: Summary) -> float:
    return summary.median_s


def _large_net(results: Results) -> float | None:
    """As `_against_before`, the start taken off."""
    ours, before = (_enough(results, "large", name, MANY_LARGE) for name in ("ours", BEFORE))
    starts = [results.find("start", name, 1) for name in ("ours", BEFORE)]
    if ours is None or before is None or starts[0] is None or starts[1] is None:
        return None
    return net(ours, starts[0]) / net(before, starts[1])


def _on_cores(few: str, many: str) -> Callable[[Results], float | None]:
    """How many times as long the first takes as the second, both of the scenario cores."""

    def measure(results: Results) -> float | None:
        first, second = (_enough(results, "cores", name, MANY) for name in (few, many))
        return first.median_s / second.median_s if first and second else None

    return measure


def _enough(results: Results, scenario: str, contestant: str, pictures: int) -> Summary | None:
    found = results.find(scenario, contestant)
    return found if found is not None and found.pictures >= pictures else None


def _share_of_limit(results: Results) -> float | None:
    wholes = [_enough(results, "main", name, MANY) for name in ("limit", "ours")]
    ones = [results.find("main", name, 1) for name in ("limit", "ours")]
    limit, ours = (
        net(whole, one) if whole and one else None for whole, one in zip(wholes, ones, strict=True)
    )
    return limit / ours if limit and ours else None


def _peak_mb(results: Results) -> float | None:
    ours = _enough(results, "main", "ours", MANY)
    return ours.peak_bytes / 1e6 if ours and ours.peak_bytes else None


def _writing_share(results: Results) -> float | None:
    if not results.stages:
        return None
    return sum(results.stages[name] for name in _WRITING) / sum(results.stages.values())


def _smallest_group(results: Results) -> float | None:
    """Rows of the smallest row group, but for the one that ends each file."""
    sizes = [
        file[:-1] or file
        for pictures, files in results.row_groups.items()
        for file in files
        if pictures >= ROWS_PER_GROUP
    ]
    return min((min(groups) for groups in sizes), default=None)


def _scaled(
    measure: Callable[[Summary, Summary], float | None],
) -> Callable[[Results], float | None]:
    """Ours on very many pictures against ours on a tenth of them."""

    def compare(results: Results) -> float | None:
        large = _enough(results, "scale", "ours", VERY_MANY)
        small = results.find("scale", "ours", large.pictures // 10) if large else None
        return measure(large, small) if large and small else None

    return compare


def _memory_ratio(large: Summary, small: Summary) -> float | None:
    if large.peak_bytes is None or small.peak_bytes is None:
        return None
    return large.peak_bytes / small.peak_bytes


def _later_against_earlier(held: Callable[[Sample], int]) -> Callable[[Results], float | None]:
    """The most of something in the later half of a long run, against the earlier half.

    The first tenth of the time, in which it starts, is left out.
    """

    def compare(results: Results) -> float | None:
        if _enough(results, "soak", "ours", SOAK) is None or not results.soak:
            return None
        end = results.soak[-1].seconds
        earlier, later = (
            [held(each) for each in results.soak if start * end <= each.seconds < stop * end]
            for start, stop in ((0.10, 0.55), (0.55, 1.00))
        )
        return max(later) / max(earlier) if earlier and later else None

    return compare


def _agreement(results: Results) -> float | None:
    if results.agreement is None or _enough(results, "large", "ours", MANY_LARGE) is None:
        return None
    return results.agreement.same / results.agreement.of


def _one_picture_s(results: Results) -> float | None:
    one = results.find("start", "ours", 1)
    return one.median_s if one else None


def _help_s(results: Results) -> float | None:
    shown = results.find("start", "help", 0)
    return shown.median_s if shown else None


TARGETS = (
    Target(
        "10,000 pictures: times as fast as the script",
        *(1.6, True, "{:.2f}"),
        _faster_than("script", scenario="main", pictures=MANY),
    ),
    Target(
        "10,000 pictures: times as fast as Daft",
        *(2.0, True, "{:.2f}"),
        _faster_than("daft", scenario="main", pictures=MANY),
        with_vnni=2.7,
    ),
    Target(
        "10,000 pictures: times as fast as Ray Data",
        *(4.4, True, "{:.2f}"),
        _faster_than("ray", scenario="main", pictures=MANY),
        with_vnni=4.8,
    ),
    Target(
        "10,000 pictures: times as fast as Beam's example",
        *(6.0, True, "{:.2f}"),
        _faster_than("beam_example", scenario="main", pictures=MANY),
    ),
    Target(
        "10,000 pictures: wall time, share of before",
        *(0.72, False, "{:.2f}"),
        _against_before(_seconds, scenario="main", pictures=MANY),
        with_vnni=0.62,
    ),
    Target(
        "10,000 pictures: processor time, share of before",
        *(0.72, False, "{:.2f}"),
        _against_before(lambda found: found.cpu_s, scenario="main", pictures=MANY),
        with_vnni=0.62,
    ),
    Target(
        "times as fast as the unavoidable work in Python, net of start-up",
        *(1.2, True, "{:.2f}"),
        _share_of_limit,
    ),
    Target("peak memory of the process tree", 300.0, False, "{:.0f} MB", _peak_mb),
    Target("output writing, share of the time", 0.05, False, "{:.1%}", _writing_share),
    Target("smallest Parquet row group", ROWS_PER_GROUP, True, "{:,.0f} rows", _smallest_group),
    Target(
        "100,000 pictures: times as fast as the script",
        *(1.3, True, "{:.2f}"),
        _faster_than("script", scenario="scale", pictures=VERY_MANY),
    ),
    Target(
        "peak memory at 100,000 against 10,000 pictures",
        *(1.10, False, "{:.2f}"),
        _scaled(_memory_ratio),
    ),
    Target(
        "time at 100,000 against ten times that at 10,000",
        *(1.10, False, "{:.2f}"),
        _scaled(lambda large, small: large.median_s / (10 * small.median_s)),
    ),
    Target(
        "12 megapixels: times as fast as the script",
        *(3.0, True, "{:.2f}"),
        _faster_than("script", scenario="large", pictures=MANY_LARGE),
    ),
    Target(
        "12 megapixels: wall time, share of before",
        *(0.5, False, "{:.2f}"),
        _against_before(_seconds, scenario="large", pictures=MANY_LARGE),
    ),
    Target("12 megapixels: the same, net of the start", 0.42, False, "{:.2f}", _large_net),
    Target(
        "16 simulated cores: times as fast as before",
        *(2.5, True, "{:.2f}"),
        _on_cores(f"{BEFORE}, 16 cores", "ours, 16 cores"),
    ),
    Target(
        "64 simulated cores: times as fast as 16",
        *(1.0, True, "{:.2f}"),
        _on_cores("ours, 16 cores", "ours, 64 cores"),
    ),
    Target(
        "one picture: wall time, share of before",
        *(0.75, False, "{:.2f}"),
        _against_before(_seconds, scenario="start", pictures=1),
    ),
    Target("12 megapixels: same first class as full decoding", 1.0, True, "{:.1%}", _agreement),
    Target("one picture, from the command to its end", 4.0, False, "{:.2f} s", _one_picture_s),
    Target("quantlabel --help", 0.5, False, "{:.2f} s", _help_s),
    Target(
        "200,000 pictures: memory, later against earlier",
        *(1.10, False, "{:.2f}"),
        _later_against_earlier(lambda sample: sample.bytes),
    ),
    Target(
        "200,000 pictures: open files, later against earlier",
        *(1.10, False, "{:.2f}"),
        _later_against_earlier(lambda sample: sample.files),
    ),
    Target(
        "200,000 pictures: threads, later against earlier",
        *(1.10, False, "{:.2f}"),
        _later_against_earlier(lambda sample: sample.threads),
    ),
)
"""Every promise, in the order in which the verdicts are shown."""
