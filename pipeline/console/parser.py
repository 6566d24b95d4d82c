"""How a command is defined: its parser, and what several commands share."""

from __future__ import annotations

import argparse
import dataclasses
import difflib
import itertools
import json
import re
import textwrap
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NoReturn

from transforms.errors import UsageError, UserError

if TYPE_CHECKING:
    from rich.console import Console


class Parser(argparse.ArgumentParser):
    """Says what is wrong with a call in one line, as every other mistake is said."""

    def error(self, message: str) -> NoReturn:
        """Called by argparse.

        Raises:
            UsageError: always.
        """
        # argparse itself would print the usage, several lines of it, and exit.
        unknown = re.search(r"invalid choice: '(.*)' \(choose from (.*)\)$", message)
        if unknown and message.startswith(("COMMAND", "argument COMMAND", "argument ACTION")):
            word, known = unknown[1], re.findall(r"[\w-]+", unknown[2])
            message = f"{word}: no such command{did_you_mean(word, known)}"
        number = re.search(r"invalid (int|float) value: (.*)$", message)
        if number:
            kind = "a whole number" if number[1] == "int" else "a number"
            message = f"{message[: number.start()]}expected {kind}, found {number[2]}"
        raise UsageError(f"{message.removeprefix('argument ')}; see {self.prog} --help")


def _is_text(line: str) -> bool:
    return line[:1] not in ("", " ")


class _Help(argparse.RawDescriptionHelpFormatter):
    """Fits texts into the terminal; indented lines, as of examples, stay what they are."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        lines: list[str] = []
        for is_text, group in itertools.groupby(text.splitlines(), _is_text):
            part = list(group)
            lines += textwrap.wrap(" ".join(part), width) if is_text else part
        return "\n".join(indent + line for line in lines)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The known word that is nearest, as the end of a sentence; empty if none is near."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f", did you mean {close[0]}?" if close else ""


def add_command(
    commands: Any,
    name: str,
    command: Callable[[argparse.Namespace], Answer],
    *,
    takes_beam_flags: bool = False,
    **texts: Any,
) -> argparse.ArgumentParser:
    """Adds a command with the flags that all of them have.

    Args:
        commands: what `add_subparsers` returned.
        name: what the user types.
        command: carries it out; imports what is heavy only then, so that `--help` stays quick.
        takes_beam_flags: whether flags that it does not know are Beam's rather than a mistake.
        texts: help, description and whatever else `add_parser` takes.
    """
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        allow_abbrev=False,
        formatter_class=_Help,
        **texts,
    )
    parser.add_argument(
        "--verbose",
        action="store_true",
        default=False,
        help="show log messages, and tracebacks of errors",
    )
    parser.set_defaults(
        command=command,
        takes_beam_flags=takes_beam_flags,
        name=parser.prog.partition(" ")[2],
        flags=parser._option_string_actions.keys(),
    )
    return parser


def add_group(commands: Any, name: str, *, help: str) -> Any:
    """Adds a command that consists of others; returns what `add_command` takes for them."""
    parser = commands.add_parser(name, allow_abbrev=False, help=help)
    return parser.add_subparsers(title="actions", metavar="ACTION", required=True)


def add_run(parser: argparse.ArgumentParser) -> None:
    """Adds `DIR`, as `folder`: the finished run that a command works on."""
    parser.add_argument("folder", metavar="DIR", help="the --output of a finished run")


def add_number(
    parser: argparse.ArgumentParser, flag: str, default: float, *, metavar: str, help: str
) -> None:
    """Adds a flag for a number, whole if the default is; `--help` prints the default."""
    help = f"{help} (default: %(default)s)"
    parser.add_argument(flag, type=type(default), default=default, metavar=metavar, help=help)


def add_uris(parser: argparse.ArgumentParser) -> None:
    """Adds `--uris`, a table of the pictures that are wanted."""
    parser.add_argument(
        "--uris",
        metavar="FILE",
        help="only these pictures: .csv, .jsonl or .parquet with a column uri or file",
    )


def add_json(parser: argparse.ArgumentParser) -> None:
    """Adds `--json`, see `Answer`."""
    parser.add_argument("--json", action="store_true", default=False, help="for programs")


@dataclasses.dataclass(frozen=True)
class Answer:
    """What a command has found or done.

    Attributes:
        result: for programs: what `--json` prints, as plain values, and what a call in Python
            returns. None: there is nothing to say.
        in_words: prints it for people.
        error: why the command has failed though it has an answer, or None.
    """

    result: Any
    in_words: Callable[[Console], None] = lambda _: None
    error: str | None = None

    def show(self, *, as_json: bool) -> None:
        """Prints it on standard output.

        Raises:
            UserError: the command has failed.
        """
        if as_json and self.result is not None:
            print(json.dumps(self.result, indent=2))
        elif self.result is not None:
            from pipeline.console.tables import output

            self.in_words(output())
        if self.error is not None:
            raise UserError(self.error)
