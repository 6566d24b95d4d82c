"""`quantlabel review`."""

from __future__ import annotations

import argparse
from typing import Any

from pipeline.console.parser import Answer, add_command, add_json, add_number, add_run
from pipeline.explore.options import ReviewOptions
from pipeline.labels.options import add_flags, add_labels


def add(commands: Any) -> None:
    parser = add_command(
        commands,
        "review",
        _review,
        help="choose the pictures of a finished run that a person should label next",
        description="Chooses pictures that the network is unsure of and that differ from each\n"
        "other, one for each group of near-identical ones, and a tenth at random for an honest\n"
        "estimate of the accuracy. Writes DIR/__review/review.csv, which label --input reads, and\n"
        "for each target what `quantlabel export` would, in the order of doubt: for Label Studio\n"
        "tasks with predictions and choices, and the project's configuration.\n"
        "Needs the extra `analysis`.",
        epilog="examples:\n  quantlabel review labels --budget 500\n"
        "  quantlabel review labels --budget 500 --answered round-1.json",
    )
    add_run(parser)
    add_json(parser)
    add_number(parser, "--budget", ReviewOptions.budget, metavar="N", help="pictures to choose")
    parser.add_argument(
        "--to",
        action="append",
        metavar="FORMAT",
        help="a target of quantlabel export, may be given several times (default: label-studio)",
    )
    parser.add_argument(
        "--answered",
        action="append",
        default=[],
        metavar="FILE",
        help="answers of an earlier round, as evaluate --truth takes them: what people have seen "
        "is passed over, and this is the next round",
    )
    parser.add_argument(
        "--copy-pictures",
        action="store_true",
        help="write members of archives out as files, for tools that cannot look into archives",
    )
    add_flags(parser)
    add_labels(parser)


def _review(arguments: argparse.Namespace) -> Answer:
    from pipeline.console.extras import require

    require("faiss", "scipy", extra="analysis", command="review")
    from pipeline.console.terminal import progress_console
    from pipeline.explore.review import print_review, review

    options = ReviewOptions(
        folder=arguments.folder,
        budget=arguments.budget,
        to=tuple(arguments.to or ReviewOptions.to),
        answered=tuple(arguments.answered),
        copy_pictures=arguments.copy_pictures,
        labels=arguments.labels,
        flags=tuple(arguments.flag),
    )
    with progress_console().status("Choosing pictures ..."):
        rows = review(options)
    return Answer(rows, lambda console: print_review(rows, folder=options.folder, console=console))
