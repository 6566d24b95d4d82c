"""What a command ends with on a terminal: the one to try next."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable

Words = list[str]

_PICTURES = ["--input", "PICTURES"]
_LABEL = ["label", *_PICTURES, "--output", "labels"]


def _truths(paths: list[str]) -> Words:
    return [word for path in paths for word in ("--truth", path)]


NEXT: dict[str, Callable[[argparse.Namespace], Words]] = {
    "label": lambda given: ["report", given.output],
    "plan": lambda given: ["label", "--input", given.inputs[0], "--output", "labels"],
    "verify": lambda given: ["report", given.folder],
    "report": lambda given: ["review", given.folder],
    "view": lambda given: ["review", given.folder],
    "evaluate": lambda given: ["head", "fit", given.folder, *_truths(given.truth)],
    "head fit": lambda given: ["head", "apply", given.folder],
    "head apply": lambda given: ["review", given.folder],
    "duplicates": lambda given: ["report", given.folder],
    "search": lambda given: ["review", given.folder],
    "review": lambda given: ["evaluate", given.folder, "--truth", "ANSWERS"],
    "export": lambda given: ["verify", given.folder],
    "labels search": lambda _: [*_LABEL, "--label-map", "FILE"],
    "model fetch": lambda given: [*_LABEL, "--model", given.model],
    "model info": lambda given: [*_LABEL, "--model", given.model],
    "model export": lambda given: ["model", "compare", given.model, given.output, *_PICTURES],
    "model compare": lambda given: [*_LABEL, "--model", given.b],
    "model stand-in": lambda given: [*_LABEL, "--model", given.output],
}
"""Of each command, by its name; what the user has to fill in is in capitals."""


def print_next(command: str, arguments: argparse.Namespace) -> None:
    """Prints the line for a command that has done its work.

    Not where a program or a file reads the output, and not with --quiet or --json.

    Args:
        command: its name, a key of `NEXT`.
        arguments: that it was given.
    """
    asked_for_less = getattr(arguments, "quiet", False) or getattr(arguments, "json", False)
    if sys.stdout.isatty() and not asked_for_less and not getattr(arguments, "dry_run", False):
        print(f"next: quantlabel {shlex.join(NEXT[command](arguments))}")
