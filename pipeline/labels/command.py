"""`quantlabel labels ...`."""

from __future__ import annotations

import argparse
from typing import Any

from pipeline.console.parser import Answer, add_command, add_group, add_json


def add(commands: Any) -> None:
    actions = add_group(commands, "labels", help="find the classes that a word stands for")
    search = add_command(
        actions,
        "search",
        _search,
        help="find classes by their names and by what they are",
        description="Finds classes whose names hold the words, and classes that WordNet counts\n"
        "among what is called so: `cat` finds tabby, lion and Persian cat. What a label map needs\n"
        "(quantlabel label --label-map) is the id or synset of a class or the synset of a group.",
        epilog="examples:\n  quantlabel labels search cat\n"
        "  quantlabel labels search cat --model own.tflite",
    )
    search.add_argument("words", nargs="+", metavar="WORD", help="all of them in one name")
    search.add_argument(
        "--model", metavar="MODEL", help="search the classes of this network, as of label --model"
    )
    search.add_argument(
        "--classes", metavar="FILE", help="search these classes, as of label --classes"
    )
    add_json(search)


def _search(arguments: argparse.Namespace) -> Answer:
    from pipeline.console.terminal import only_ours
    from pipeline.labels.search import print_found, search
    from pipeline.models.load import known_classes

    with only_ours(verbose=arguments.verbose):
        classes = known_classes(model=arguments.model, classes=arguments.classes)
    found = search(" ".join(arguments.words), classes)
    return Answer(found.as_dict(), lambda console: print_found(found, console=console))
