"""`quantlabel plan`."""

from __future__ import annotations

import argparse
from typing import Any, get_args

from pipeline.console.parser import Answer, add_command, add_json
from pipeline.run.options import (
    BucketIn,
    PlanOptions,
    add_data,
    add_limits,
    add_network,
    label_options,
)


def add(commands: Any) -> None:
    parser = add_command(
        commands,
        "plan",
        _plan,
        argument_default=argparse.SUPPRESS,
        help="say what a run would find, take and cost, without running it",
        description="Lists the inputs, tries up to 200 of the pictures on this machine and adds\n"
        "up: failures to expect, time here, size of the output, and what it would cost on\n"
        "Dataflow or on machines of your own, at least, likely and at most.",
        epilog="examples:\n  quantlabel plan --input gs://bucket/photos\n"
        "  quantlabel plan --input list.csv --machine-type t2a-standard-2 --max-workers 9\n"
        "  quantlabel plan --input gs://bucket/photos --prices ours.toml --json",
    )
    add_data(parser)
    add_network(parser)
    add_limits(parser)
    _add_costs(parser)
    add_json(parser)


def _add_costs(parser: argparse.ArgumentParser) -> None:
    costs = parser.add_argument_group("costs")
    costs.add_argument(
        "--machine-type",
        metavar="NAME",
        help=f"of the workers (default: {PlanOptions.machine_type})",
    )
    costs.add_argument(
        "--max-workers",
        type=int,
        metavar="N",
        help=f"machines at a time (default: {PlanOptions.max_workers})",
    )
    costs.add_argument(
        "--bucket-in",
        choices=get_args(BucketIn),
        help="where the pictures are, seen from the workers: in the same region, in another of the "
        f"continent, or elsewhere (default: {PlanOptions.bucket_in})",
    )
    costs.add_argument(
        "--prices",
        metavar="FILE",
        help="TOML with your prices, in the keys of our table, of which it replaces what it has",
    )
    costs.add_argument(
        "--price",
        type=float,
        metavar="P",
        help="of a vCPU-hour on Dataflow, instead of the table's",
    )


def _plan(arguments: argparse.Namespace) -> Answer:
    from pipeline.console.terminal import only_ours
    from pipeline.run.plan import plan
    from pipeline.run.plan_table import print_plan

    given = vars(arguments)
    names = ("machine_type", "max_workers", "bucket_in", "prices", "price")
    costs = {name: given[name] for name in names if name in given}
    # A plan writes nothing; the folder is only named because a run must name one.
    options = PlanOptions(label=label_options(arguments, output="unused"), **costs)
    with only_ours(verbose=arguments.verbose):
        found = plan(options)
    return Answer(found.as_dict(), lambda console: print_plan(found, console=console))
