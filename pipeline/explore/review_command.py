"""`quantlabel review`."""

from __future__ import annotations

import argparse
from typing import Any

from pipeline.console.parser import add_command, add_json, add_run, show
from pipeline.explore.options import ReviewOptions


def add(commands: Any) -> None:
    """Adds the command."""
    parser = add_command(
        commands,
        "review",
        _review,
        help="choose the pictures of a finished run that a person should label next",
        description="Chooses pictures that the network is unsure of and that differ from each\n"
        "other, one for each group of near-identical ones, and a tenth at random for an honest\n"
        "estimate of the accuracy. Writes DIR/__review/review.csv, which Label Studio imports and\n"
        "`quantlabel label --input` reads, and DIR/__review/label_config.xml, the project for it.\n"
        "Needs the extra `analysis`.",
        epilog="example:\n  quantlabel review labels --budget 500",
    )
    add_run(parser)
    add_json(parser)
    parser.add_argument(
        "--budget",
        type=int,
        default=ReviewOptions.budget,
        metavar="N",
        help="pictures to choose (default: %(default)s)",
    )


def _review(arguments: argparse.Namespace) -> None:
    from pipeline.console.extras import require

    require("faiss", "scipy", extra="analysis", command="review")
    from rich.console import Console

    from pipeline.explore.review import print_review, review

    options = ReviewOptions(folder=arguments.folder, budget=arguments.budget)
    with Console(stderr=True).status("Choosing pictures ..."):
        rows = review(options)
    show(
        arguments,
        rows,
        in_words=lambda console: print_review(rows, folder=options.folder, console=console),
    )
