"""The command `quantlabel`: parse, call, exit status. Heavy modules load when they are needed."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import signal
import sys
import warnings
from collections.abc import Callable, Sequence

from pipeline.console.next_step import print_next
from pipeline.console.parser import Answer, Parser, did_you_mean
from pipeline.console.signals import as_interrupts
from pipeline.evaluate import command as evaluate
from pipeline.explore import duplicates_command, review_command, search_command
from pipeline.export import command as export
from pipeline.heads import command as head
from pipeline.labels import command as labels
from pipeline.models import command as model
from pipeline.report import command as report
from pipeline.run import label_command, plan_command
from pipeline.verify import command as verify
from pipeline.view import command as view
from transforms._version import VERSION
from transforms.errors import UsageError, UserError, one_line, printable
from transforms.kernel import installed
from transforms.storage.addresses import text

# In the order in which `--help` shows them.
_COMMANDS = (
    label_command,
    plan_command,
    verify,
    report,
    view,
    evaluate,
    head,
    duplicates_command,
    search_command,
    review_command,
    export,
    labels,
    model,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        argv: the words after the program's name; those of this process if None.

    Returns:
        0 done; 1 the run failed; 2 wrong usage; 130 interrupted, 143 if by SIGTERM, 129 if by
        the end of the terminal; 141 nobody reads the output any more.
    """
    if argv is None:
        _open_closed()
    try:
        with as_interrupts() as received:
            try:
                return _run(argv, received)
            finally:
                sys.stdout.flush()  # here, where an error can still be told
    # Before the OSErrors, of which it is one.
    except BrokenPipeError:  # as with `| head`
        _say_no_more()
        return 128 + signal.SIGPIPE
    except OSError as error:  # the output goes to a disk that is full
        _tell(_in_words(error))
        _say_no_more()
        return 1


def _run(argv: Sequence[str] | None, received: Sequence[int]) -> int:
    try:
        arguments, others = _parser().parse_known_args(argv)
    except UsageError as error:
        _tell(*error.lines)
        return error.exit_status
    arguments.beam_args = tuple(others)
    # Who calls `main` with words of its own has a process that goes on afterwards.
    arguments.owns_process = argv is None
    arguments.is_call = False
    _set_verbosity(arguments.verbose)
    command: Callable[[argparse.Namespace], Answer] = arguments.command
    try:
        if others and not arguments.takes_beam_flags:
            raise UsageError(_unknown(others[0], arguments))
        command(arguments).show(as_json=getattr(arguments, "json", False))
        print_next(arguments.name, arguments)
    except UserError as error:
        _trace(arguments)
        _tell(*error.lines)
        return error.exit_status
    except BrokenPipeError:
        raise
    except OSError as error:  # a disk that is full or read-only, a network that is gone
        _trace(arguments)
        _tell(_in_words(error))
        return 1
    except KeyboardInterrupt as interrupt:
        said = str(interrupt) or "nothing was finished"
        _tell(f"interrupted; {said}")
        return 128 + (received[0] if received else signal.SIGINT)
    return 0


def _tell(*lines: str) -> None:
    """Lines on standard error, if anybody can still read them: a terminal may be gone."""
    try:
        print("quantlabel: " + "\n".join(map(printable, lines)), file=sys.stderr)
        sys.stderr.flush()
    except OSError:
        _say_no_more()


def _open_closed() -> None:
    """Gives standard streams that the shell has closed (`>&-`) to nobody.

    Else the next file that is opened would become one of them.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, os.fdopen(number, "r" if number == 0 else "w", closefd=False))


def _unknown(word: str, arguments: argparse.Namespace) -> str:
    see = f"see quantlabel {arguments.name} --help"
    if not word.startswith("-"):
        return f"{text(word)}: one word too many; {see}"
    flag = word.partition("=")[0]
    return f"{text(flag)}: no flag of this command{did_you_mean(flag, arguments.flags)}; {see}"


def _trace(arguments: argparse.Namespace) -> None:
    if arguments.verbose:
        logging.getLogger("quantlabel").exception("traceback of the error below")


def _in_words(error: OSError) -> str:
    """Which file, and what the system says of it."""
    said = error.strerror or one_line(str(error)) or type(error).__name__
    return f"{text(os.fsdecode(error.filename))}: {said}" if error.filename else said


def _say_no_more() -> None:
    """Python writes what it still holds when it ends, and would complain once more."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # one that is no file of the system
            os.dup2(nothing, stream.fileno())
    os.close(nothing)


def _set_verbosity(verbose: bool) -> None:
    """Without --verbose nothing but this program itself writes on the terminal."""
    if verbose:
        logging.basicConfig(level=logging.INFO, stream=sys.stderr)
        return
    logging.basicConfig(level=logging.CRITICAL, stream=sys.stderr)
    # Python's own warnings, of whatever package, are for whoever asks for --verbose.
    warnings.simplefilter("ignore")
    # gRPC writes to the terminal by itself, from C.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="quantlabel",
        description="Labels and feature vectors for image collections of any size.",
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,  # two lines of --version
    )
    parser.add_argument(
        "--version", action="version", version=f"quantlabel {VERSION}\nkernel  {installed()}"
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in _COMMANDS:
        command.add(commands)
    return parser


def command_parsers(parser: argparse.ArgumentParser | None = None) -> dict[str, Parser]:
    """The parser of each command, by its name: `label`, `head fit`.

    Args:
        parser: whose commands; None for all.
    """
    parser = parser or _parser()
    if isinstance(name := parser.get_default("name"), str) and isinstance(parser, Parser):
        return {name: parser}
    found: dict[str, Parser] = {}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for each in action.choices.values():
                found |= command_parsers(each)
    return found
