"""What a Flex Template's launcher runs: the template's parameters as `quantlabel label`.

A parameter is a word of letters, digits and underscores and always has a value; a flag of the
command line has hyphens, and some have no value. All other flags are Beam's and stay as they are.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path


def flags(arguments: Iterable[str]) -> Iterator[str]:
    """Arguments of the form `--name=value` as the command line expects them."""
    metadata = json.loads(Path(__file__).with_name("metadata.json").read_text("utf-8"))
    ours = {parameter["name"]: parameter.get("paramType") for parameter in metadata["parameters"]}
    for argument in arguments:
        name, _, value = argument.removeprefix("--").partition("=")
        if name not in ours:
            yield argument
        elif ours[name] != "BOOLEAN":
            yield f"--{name.replace('_', '-')}={value}"
        elif value.lower() == "true":
            yield f"--{name.replace('_', '-')}"


if __name__ == "__main__":
    from pipeline.cli import main

    sys.exit(main(["label", "--quiet", *flags(sys.argv[1:])]))
