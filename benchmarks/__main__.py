"""Measures quantlabel against other ways to do the same work, on the same pictures and network.

    pip install -e '.[bench]'
    python -m benchmarks                                    # everything, an hour on two cores
    python -m benchmarks --quick                            # does it all still run? a few minutes
    python -m benchmarks --scenario main --images ~/Pictures --repeats 5
    python -m benchmarks --scenario main large cores start --contestants ours --against HEAD~9

Writes results.json, results.md, chart.svg and the contestants' logs to --output. The exit status
says whether everything could be measured, not whether every target was met.
"""

from __future__ import annotations

import argparse
import io
import shlex
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from benchmarks import machine, pictures, report, scenarios
from benchmarks.contestants import BEFORE, CONTESTANTS
from benchmarks.network import find_network
from benchmarks.results import Results
from pipeline.console.terminal import only_ours
from transforms.errors import UserError

_QUICK_COUNT = 300

_ROOT = Path(__file__).resolve().parent.parent


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the benchmark; returns the exit status."""
    arguments = parser().parse_args(argv)
    console = Console(width=None if sys.stdout.isatty() else report.WIDTH)
    try:
        _run(arguments, console)
    except UserError as error:
        console.print(str(error), markup=False, highlight=False)
        return error.exit_status
    return 0


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument(
        "--images",
        metavar="FOLDER",
        help="plain JPEG photographs, repeated to the wanted count; default: scikit-image's",
    )
    made.add_argument(
        "--count",
        type=_positive,
        default=10_000,
        metavar="N",
        help="pictures in the main scenario, a tenth of those in scale (default: 10,000)",
    )
    made.add_argument(
        "--repeats",
        type=_positive,
        default=3,
        metavar="N",
        help="runs of each contestant, interleaved (default: 3)",
    )
    made.add_argument(
        "--scenario",
        nargs="+",
        choices=scenarios.SCENARIOS,
        default=list(scenarios.SCENARIOS),
        help="what to measure (default: all)",
    )
    made.add_argument(
        "--contestants",
        nargs="+",
        choices=list(CONTESTANTS),
        default=list(CONTESTANTS),
        metavar="NAME",
        help=f"who takes part, of {', '.join(CONTESTANTS)} (default: all)",
    )
    made.add_argument(
        "--against",
        metavar="REF",
        help="a commit of this repository, one more contestant: before",
    )
    made.add_argument(
        "--model",
        metavar="MODEL",
        help="as in quantlabel label; default: the published one where it is cached or in models/, "
        "else a stand-in, which takes as long",
    )
    made.add_argument(
        "--output",
        type=Path,
        default=Path("benchmark-output"),
        metavar="FOLDER",
        help="where results go (default: %(default)s)",
    )
    made.add_argument(
        "--quick",
        action="store_true",
        help=f"a smoke test: one run over {_QUICK_COUNT} pictures, whose numbers mean nothing",
    )
    return made


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected a positive number, found {text}")
    return number


def _run(arguments: argparse.Namespace, console: Console) -> None:
    results = Results(
        machine=machine.describe(), command=shlex.join(["python -m benchmarks", *sys.argv[1:]])
    )
    names = [name for name in arguments.contestants if name != BEFORE]
    names += [BEFORE] if arguments.against else []
    contestants = scenarios.chosen(names, results)
    work = arguments.output / "work"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    try:
        network = find_network(arguments.model, results)
        tflite = work / "model.tflite"
        tflite.write_bytes(network.tflite)
        bench = scenarios.Bench(
            sources=_sources(arguments.images, work),
            count=_QUICK_COUNT if arguments.quick else arguments.count,
            repeats=1 if arguments.quick else arguments.repeats,
            contestants=contestants,
            tflite=tflite,
            trained=network.trained,
            work=work,
            logs=arguments.output / "logs",
            results=results,
            console=console,
            before=arguments.against and source(arguments.against, work / "before", results),
        )
        results.pictures["main"] = scenarios.describe(bench.sources)
        with only_ours(verbose=False):
            scenarios.run(bench, arguments.scenario)
    finally:
        shutil.rmtree(work)
    report.show(results, console)
    for path in report.save(results, arguments.output):
        console.print(f"wrote {path}", highlight=False)


def source(ref: str, folder: Path, results: Results, *, repository: Path = _ROOT) -> Path:
    """The files of a commit; unlike a worktree they leave nothing behind in the repository.

    Raises:
        UserError: no such commit, or this is no repository.
    """
    archive = subprocess.run(
        ["git", "-C", str(repository), "archive", "--format=tar", ref],
        capture_output=True,
        check=False,
    )
    if archive.returncode:
        reason = archive.stderr.decode(errors="replace").strip()
        raise UserError(f"--against {ref}: expected a commit of this repository: {reason}")
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
        files.extractall(folder, filter="data")
    results.notes.append(f"before is {ref}")
    return folder.resolve()


def _sources(images: str | None, work: Path) -> list[Path]:
    return pictures.find(images) if images else pictures.make_default(work / "photographs")


if __name__ == "__main__":
    sys.exit(main())
