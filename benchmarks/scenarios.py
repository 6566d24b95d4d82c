"""The parts of the benchmark: which contestants run over which pictures, in which order.

Runs are interleaved, A B C A B C, and not A A A B B B, so that a change in the machine's speed hits
every contestant alike. Each run is a process of its own, from the command to its exit.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from rich.console import Console

from benchmarks import pictures, process, stages
from benchmarks.contestants import (
    BEFORE,
    CONTESTANTS,
    Contestant,
    Job,
    on_cores,
    quantlabel,
    script,
)
from benchmarks.results import Agreement, Results, Run
from pipeline.models.tflite.load import load
from transforms.errors import UserError
from transforms.images.decode import decode
from transforms.images.preprocess import preprocess
from transforms.network.litert import LiteRtModel

SCENARIOS = ("main", "large", "cores", "scale", "start", "soak")

CORES = (2, 8, 16, 32, 64)
"""What the scenario cores simulates."""

_ENVIRONMENT: Mapping[str, str] = {
    "DAFT_ANALYTICS_ENABLED": "0",
    "DO_NOT_TRACK": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
}
"""A measured program reports to nobody."""

_LARGE_SHARE = 20
"""One large picture for so many of the usual ones: about the same time."""

_DISTINCT_LARGE = 100

_SOAK_TIMES = 20
"""So many times the pictures of the main scenario: 200,000, some minutes."""

_SAMPLE = 1000
"""Pictures that the profile by stage takes."""


@dataclasses.dataclass(frozen=True)
class Bench:
    """One invocation.

    Attributes:
        sources: distinct pictures.
        count: how many are labelled in the main scenario.
        repeats: runs of each contestant.
        contestants: those that take part, in order.
        tflite: the network as it was published.
        trained: whether its answers mean anything.
        work: folder for pictures and outputs, deleted afterwards.
        logs: folder for what the contestants print.
        results: filled as the scenarios run.
        console: where progress goes.
        before: folder with the source of an earlier quantlabel, or None.
    """

    sources: Sequence[Path]
    count: int
    repeats: int
    contestants: Sequence[Contestant]
    tflite: Path
    trained: bool
    work: Path
    logs: Path
    results: Results
    console: Console
    before: Path | None = None

    @property
    def keras(self) -> Path:
        """The network for Beam's example."""
        return self.work / "model.keras"

    def output(self, contestant: Contestant) -> Path:
        """Where the latest run of a contestant has written to."""
        return self.work / "output" / contestant.name

    def folder(self, count: int) -> Path:
        """A folder with so many of the pictures, made when it is first asked for."""
        path = self.work / f"{count}-pictures"
        return path if path.is_dir() else pictures.repeat(self.sources, path, count=count)

    def among(self, *names: str) -> list[Contestant]:
        """Those contestants of that name that take part."""
        return [contestant for contestant in self.contestants if contestant.name in names]


def run(bench: Bench, scenarios: Sequence[str]) -> None:
    """Runs scenarios in their fixed order; what they find is in `bench.results`."""
    bench.logs.mkdir(parents=True, exist_ok=True)
    _warm_up(bench)
    parts = {
        "main": _main,
        "large": _large,
        "cores": _cores,
        "scale": _scale,
        "start": _start,
        "soak": _soak,
    }
    for name in SCENARIOS:
        if name in scenarios:
            parts[name](bench)


def _warm_up(bench: Bench) -> None:
    """Takes first-time costs, the page cache and compiled modules, out of the first round."""
    if any("tensorflow" in contestant.modules for contestant in bench.contestants):
        _run_logged(bench, script("keras_model.py", bench.tflite, bench.keras), name="keras_model")
    for contestant in bench.contestants:
        bench.console.print(f"warming up {contestant.name}", highlight=False)
        _measure(bench, "warm-up", contestant, bench.folder(1))
    for path in bench.sources:
        path.read_bytes()
    bench.results.runs.clear()


def _main(bench: Bench) -> None:
    folder, one = bench.folder(bench.count), bench.folder(1)
    plan = [(contestant, path) for contestant in bench.contestants for path in (one, folder)]
    _interleaved(bench, "main", plan)
    bench.console.print("profiling the stages of ours", highlight=False)
    profile = stages.profile(folder, tflite=bench.tflite.read_bytes(), sample=_SAMPLE)
    bench.results.stages.update(profile)


def _large(bench: Bench) -> None:
    count = max(1, bench.count // _LARGE_SHARE)
    bench.console.print("making pictures of 12 megapixels", highlight=False)
    distinct = pictures.enlarge(
        bench.sources, bench.work / "large", count=min(count, _DISTINCT_LARGE)
    )
    bench.results.pictures["large"] = describe(distinct)
    folder = pictures.repeat(distinct, bench.work / "large-pictures", count=count)
    _interleaved(bench, "large", [(each, folder) for each in bench.among("ours", BEFORE, "script")])
    for ours in bench.among("ours") if bench.trained else ():
        bench.results.agreement = _agreement(bench.output(ours), distinct, bench.tflite)


def _cores(bench: Bench) -> None:
    """Nothing is decoded, so any bytes do."""
    bench.results.notes.append(
        "cores: loading is a sleep of 2 ms, which does not contend for Python's lock as real work "
        "does; the network is the real one, on the cores that there are."
    )
    picture = bench.work / "simulated.jpg"
    picture.write_bytes(b"simulated")
    folder = pictures.repeat([picture], bench.work / "simulated", count=bench.count)
    for number in range(1, bench.repeats + 1):
        bench.console.print(f"cores: round {number} of {bench.repeats}", highlight=False)
        for cores in CORES:
            for each in bench.among("ours", BEFORE):
                job = _job(bench, each, folder)
                cost = _run_logged(bench, on_cores(cores, each.name, job), name="cores")
                _check_rows(bench, each, bench.count)
                name = f"{each.name}, {cores} cores"
                _record(bench, Run("cores", name, bench.count, *dataclasses.astuple(cost)))


def _scale(bench: Bench) -> None:
    few, many = bench.folder(bench.count), bench.folder(10 * bench.count)
    plan = [(each, few) for each in bench.among("ours")]
    plan += [(each, many) for each in bench.among("ours", "script")]
    _interleaved(bench, "scale", plan)


def _start(bench: Bench) -> None:
    for _ in range(bench.repeats):
        for contestant in bench.among("ours", BEFORE):
            _measure(bench, "start", contestant, bench.folder(1))
        cost = _run_logged(bench, [quantlabel(), "--help"], name="help")
        _record(bench, Run("start", "help", 0, *dataclasses.astuple(cost)))


def _soak(bench: Bench) -> None:
    folder = bench.folder(_SOAK_TIMES * bench.count)
    bench.console.print("soak: one long run", highlight=False)
    for ours in bench.among("ours"):
        _measure(bench, "soak", ours, folder, samples=bench.results.soak)


def _interleaved(bench: Bench, scenario: str, plan: Sequence[tuple[Contestant, Path]]) -> None:
    for number in range(1, bench.repeats + 1):
        bench.console.print(f"{scenario}: round {number} of {bench.repeats}", highlight=False)
        for contestant, folder in plan:
            _measure(bench, scenario, contestant, folder)


def _measure(
    bench: Bench,
    scenario: str,
    contestant: Contestant,
    folder: Path,
    *,
    samples: list[process.Sample] | None = None,
) -> None:
    command = contestant.command(_job(bench, contestant, folder))
    cost = _run_logged(bench, command, name=contestant.name, samples=samples)
    count = sum(1 for _ in folder.iterdir())
    if contestant.writes:
        _check_rows(bench, contestant, count)
    _record(bench, Run(scenario, contestant.name, count, *dataclasses.astuple(cost)))


def _job(bench: Bench, contestant: Contestant, folder: Path) -> Job:
    output = bench.output(contestant)
    shutil.rmtree(output, ignore_errors=True)
    output.parent.mkdir(exist_ok=True)
    return Job(
        pictures=folder,
        output=output,
        tflite=bench.tflite,
        keras=bench.keras,
        before=bench.before,
    )


def _run_logged(
    bench: Bench,
    command: Sequence[str],
    *,
    name: str,
    samples: list[process.Sample] | None = None,
) -> process.Finished:
    log = bench.logs / f"{name}.log"
    return process.run(command, log=log, env=_ENVIRONMENT, samples=samples)


def _record(bench: Bench, run: Run) -> None:
    bench.results.runs.append(run)
    peak = f"{run.peak_bytes / 1e6:,.0f} MB" if run.peak_bytes else "memory unknown"
    bench.console.print(
        f"  {run.contestant}: {run.pictures:,} pictures, {run.seconds:.2f} s, "
        f"{run.cpu_seconds:.2f} s of processor time, {peak}",
        highlight=False,
    )


def _check_rows(bench: Bench, contestant: Contestant, count: int) -> None:
    """A fast run that lost pictures is no result."""
    files = sorted(bench.output(contestant).rglob("*.parquet"))
    rows = [row_groups(path) for path in files]
    found = sum(sum(groups) for groups in rows)
    if found != count:
        raise UserError(
            f"{contestant.name} wrote {found} rows for {count} pictures. The benchmark needs "
            "pictures that every contestant can read: give it plain JPEG photographs."
        )
    if contestant.name == "ours":
        bench.results.row_groups[count] = rows


def row_groups(path: Path) -> list[int]:
    """Row counts of the row groups of a Parquet file."""
    metadata = pq.read_metadata(path)
    return [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]


def _agreement(output: Path, distinct: Sequence[Path], tflite: Path) -> Agreement:
    """First classes of a run against those after decoding every pixel."""
    dataset = ds.dataset(str(output), format="parquet", exclude_invalid_files=True)
    table = dataset.to_table(columns=["uri", "class_id"])
    classes = {Path(row["uri"]).name: row["class_id"] for row in table.to_pylist()}
    network = load(tflite.read_bytes(), name="benchmark")
    model = LiteRtModel(network.content)
    same = 0
    for path in distinct:
        pixels = preprocess(decode(path.read_bytes()).pixels, size=network.input_size)
        logits, _ = model.run([pixels])
        # The first of the run's names stand for the distinct pictures, in this order.
        same += int(np.argmax(logits[0])) == classes[path.name]
    return Agreement(same, len(distinct))


def describe(paths: Sequence[Path]) -> dict[str, float]:
    """How many distinct pictures there are, and their mean size in bytes."""
    return {
        "distinct": len(paths),
        "mean_bytes": round(sum(path.stat().st_size for path in paths) / len(paths)),
    }


def chosen(names: Sequence[str], results: Results) -> list[Contestant]:
    """The contestants of these names that can run here; the others become a note."""
    found = []
    for contestant in CONTESTANTS.values():
        if contestant.name not in names:
            continue
        if contestant.missing:
            results.notes.append(
                f"{contestant.name} is left out: {', '.join(contestant.missing)} is not "
                "installed. Run pip install -e '.[bench]'."
            )
        else:
            found.append(contestant)
    return found
