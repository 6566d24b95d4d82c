"""`quantlabel plan`."""

from __future__ import annotations

import argparse
from typing import Any

from pipeline.console.parser import Answer, add_command, add_json
from pipeline.run.options import (
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
        "up: failures to expect, time here, size of the output, and what Dataflow would cost.",
        epilog="example:\n  quantlabel plan --input photos --price 0.06",
    )
    add_data(parser)
    add_network(parser)
    add_limits(parser)
    parser.add_argument(
        "--price",
        type=float,
        metavar="P",
        help=f"of a vCPU-hour, in any currency (default: {PlanOptions.price:g}, Dataflow batch in "
        "us-central1 in US dollars when this was written)",
    )
    add_json(parser)


def _plan(arguments: argparse.Namespace) -> Answer:
    from pipeline.console.terminal import only_ours
    from pipeline.run.plan import plan, print_plan

    price = {"price": arguments.price} if hasattr(arguments, "price") else {}
    # A plan writes nothing; the folder is only named because a run must name one.
    options = PlanOptions(label=label_options(arguments, output="unused"), **price)
    with only_ours(verbose=arguments.verbose):
        found = plan(options)
    return Answer(found.as_dict(), lambda console: print_plan(found, console=console))
