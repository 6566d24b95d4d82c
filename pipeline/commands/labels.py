"""`quantlabel labels ...`."""

from __future__ import annotations

import argparse
import json
from typing import Any

from pipeline.commands.parser import add_command


def add(commands: Any) -> None:
    """Adds the command and its action."""
    parser = commands.add_parser(
        "labels", allow_abbrev=False, help="find the classes that a word stands for"
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    search = add_command(
        actions,
        "search",
        _search,
        help="find classes by their names and by what they are",
        description="Finds classes whose names hold the words, and classes that WordNet counts\n"
        "among what is called so: `cat` finds tabby, lion and Persian cat. What a label map needs\n"
        "(quantlabel label --label-map) is the id or synset of a class or the synset of a group.",
        epilog="example:\n  quantlabel labels search cat",
    )
    search.add_argument("words", nargs="+", metavar="WORD", help="all of them in one name")
    search.add_argument("--json", action="store_true", help="for programs")


def _search(arguments: argparse.Namespace) -> None:
    from rich.console import Console

    from pipeline.label_search import print_found, search

    found = search(" ".join(arguments.words))
    if arguments.json:
        print(json.dumps(found.as_dict(), indent=2))
    else:
        print_found(found, console=Console())
