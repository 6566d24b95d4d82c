"""`quantlabel search`."""

from __future__ import annotations

import argparse
from typing import Any

from pipeline.console.parser import Answer, add_command, add_json, add_number, add_run
from pipeline.explore.options import SearchOptions
from pipeline.labels.options import add_labels


def add(commands: Any) -> None:
    parser = add_command(
        commands,
        "search",
        _search,
        help="find the pictures of a finished run that look like a given one",
        description="Labels one picture as the run did and lists the pictures of the run whose\n"
        "feature vectors are nearest to it by cosine. Every row is compared.",
        epilog="example:\n  quantlabel search labels --like cat.jpg -k 20",
    )
    add_run(parser)
    add_json(parser)
    parser.add_argument(
        "--like", required=True, metavar="PICTURE", help="a picture, of the run or any other"
    )
    parser.add_argument(
        "--model",
        metavar="MODEL",
        help="where the model is now (default: where the run found it)",
    )
    add_number(parser, "-k", SearchOptions.k, metavar="K", help="results")
    add_labels(parser)


def _search(arguments: argparse.Namespace) -> Answer:
    from pipeline.console.terminal import only_ours
    from pipeline.explore.search import print_found, search

    options = SearchOptions(
        folder=arguments.folder,
        like=arguments.like,
        k=arguments.k,
        model=arguments.model,
        labels=arguments.labels,
    )
    with only_ours(verbose=arguments.verbose):
        found = search(options)
    return Answer(found, lambda console: print_found(found, console=console))
