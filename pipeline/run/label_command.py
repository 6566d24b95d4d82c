"""`quantlabel label`."""

from __future__ import annotations

import argparse
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from pipeline.console.parser import add_command
from pipeline.console.startup import (
    imports_uncollected,
    one_thread_for_products,
    share_memory_with_arrow,
)
from pipeline.run.options import (
    REUSE_BY,
    LabelOptions,
    PlanOptions,
    add_data,
    add_limits,
    add_network,
    label_options,
)
from transforms.beam_internals import without_cloud_services

if TYPE_CHECKING:
    from pipeline.run.submission import Submission


def add(commands: Any) -> None:
    parser = add_command(
        commands,
        "label",
        _label,
        takes_beam_flags=True,
        argument_default=argparse.SUPPRESS,
        help="label pictures and write one row for each",
        description="Reads pictures, runs the network once over each and writes one row for each:\n"
        "a prediction (classes, scores, feature vector) or a failure (stage, reason).",
        epilog="examples:\n"
        "  quantlabel label --input photos --output labels\n"
        "  quantlabel label --input 'photos/**/*.jpg' --input more.csv --output labels\n"
        "  quantlabel label --input photos --output labels --direct_num_workers=2 \\\n"
        "      --direct_running_mode=multi_processing",
    )
    _add_output(add_data(parser))
    add_network(parser)
    _add_limits_of_a_run(add_limits(parser))
    _add_own_labels(parser)
    parser.add_argument_group("terminal").add_argument(
        "--quiet", action="store_true", default=False, help="no progress and no summary"
    )
    _add_beam(parser)


def _add_output(data: Any) -> None:
    data.add_argument(
        "--output",
        required=True,
        metavar="FOLDER",
        help="where the rows, the manifest and _SUCCESS go",
    )
    data.add_argument(
        "--overwrite", action="store_true", help="replace a finished run in the output folder"
    )
    data.add_argument(
        "--resume",
        action="store_true",
        help="go on where a run in the output folder ended: pictures that have a row and have not "
        "changed are not read again; works for finished runs too",
    )
    data.add_argument(
        "--retry-failures",
        action="store_true",
        help="--resume, and try again what failed for a reason that may have passed",
    )
    data.add_argument(
        "--reuse-by",
        choices=REUSE_BY,
        help="sha256: --resume, and pictures under another name get the row of the same content, "
        f"read but not decoded (default: {LabelOptions.reuse_by})",
    )


def _add_limits_of_a_run(limits: Any) -> None:
    limits.add_argument(
        "--max-failure-rate",
        type=float,
        metavar="R",
        help="the run fails if a larger share of the pictures does, 0 to 1 (default: "
        f"{LabelOptions.max_failure_rate:g})",
    )
    limits.add_argument(
        "--memory",
        type=int,
        metavar="N",
        help="bytes that the pictures in the hands of one process may take, encoded and decoded; "
        "who needs more waits (default: half of the machine or container, divided by the processes "
        "that share it)",
    )


def _add_own_labels(parser: argparse.ArgumentParser) -> None:
    own = parser.add_argument_group("labels of your own")
    own.add_argument(
        "--label-map",
        metavar="FILE",
        help=".csv, .jsonl or .parquet with the columns class (id, synset or name; the synset of "
        "a group for all in it; * for the rest) and label; fills mapped_label and mapped_score",
    )
    own.add_argument(
        "--label-threshold",
        type=float,
        metavar="S",
        help="no mapped_label where mapped_score is below this (default: "
        f"{LabelOptions.label_threshold:g})",
    )


def _add_beam(parser: argparse.ArgumentParser) -> None:
    runner = parser.add_argument_group(
        "Apache Beam", "Flags that are not listed here go to Beam, --name=value each."
    )
    runner.add_argument(
        "--runner",
        metavar="NAME",
        help=f"default: {LabelOptions.runner}, this machine",
    )
    runner.add_argument(
        "--dry-run",
        "--dry_run",  # as Beam spells it
        nargs="?",
        const=True,
        default=False,
        type=_is_true,
        help="check everything, say what would be started and what it would take and cost, and "
        "write nothing",
    )
    runner.add_argument(
        "--allow-image",
        action="store_true",
        help="take a --sdk_container_image whose name does not say which Python and Beam are in it",
    )


def _show(would: Submission, options: LabelOptions) -> None:
    from pipeline.console.tables import output
    from pipeline.run.plan import plan
    from pipeline.run.plan_table import print_plan
    from pipeline.run.submission import print_submission

    expected = plan(PlanOptions(label=options, **_workers(options)))
    print_submission(would, console=output())
    print_plan(expected, console=output())
    print("Nothing was written or submitted.")


def _workers(options: LabelOptions) -> dict[str, Any]:
    """What the flags for Dataflow say of its machines, as `PlanOptions` has it."""
    if not options.is_dataflow:
        return {}
    from apache_beam.options.pipeline_options import WorkerOptions

    from pipeline.run.runners.options import beam_options

    flags = beam_options(options).view_as(WorkerOptions)
    found = {"machine_type": flags.machine_type, "max_workers": flags.max_num_workers}
    return {name: value for name, value in found.items() if value}


def _is_true(word: str) -> bool:
    if word.lower() not in ("true", "false"):
        raise argparse.ArgumentTypeError(f"{word}: expected true or false")
    return word.lower() == "true"


def _label(arguments: argparse.Namespace) -> None:
    # Before anything imports Arrow, which looks once.
    share_memory_with_arrow()
    one_thread_for_products()
    options = label_options(arguments)
    # Only where nothing else in this process can miss what is left out.
    is_lean = arguments.owns_process and options.is_here
    with imports_uncollected(), without_cloud_services() if is_lean else nullcontext():
        from rich.console import Console

        from pipeline.console.tables import output
        from pipeline.console.terminal import only_ours
        from pipeline.run.launch import dry_run, label
        from pipeline.run.summary import print_summary

    with only_ours(verbose=arguments.verbose) as stderr:
        console = None if arguments.quiet else Console(file=stderr)
        if arguments.dry_run:
            _show(dry_run(options, console=console), options)
            return
        manifest = label(options, console=console)
    if manifest is not None and not arguments.quiet:
        print_summary(manifest, folder=options.output, console=output())
