"""The commands as functions: `quantlabel.label`, `quantlabel.evaluate`, `quantlabel.head_fit`, ...

What a function takes, what it refuses and what its help says come from the parser of its command,
which reads the arguments too. It returns what `--json` prints, as Python's own objects, and raises
`UserError` where the command ends with a message.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import inspect
import logging
import numbers
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pipeline.cli import command_parsers
from pipeline.console.parser import Answer, Parser
from pipeline.console.terminal import in_notebook
from pipeline.run.options import LabelOptions, PlanOptions
from transforms.beam_internals import no_notebook
from transforms.errors import UsageError

if TYPE_CHECKING:
    from pipeline.run.folder.rows import LabelledRun

__all__ = [
    "duplicates",
    "evaluate",
    "export",
    "head_apply",
    "head_fit",
    "label",
    "labels_search",
    "model_compare",
    "model_export",
    "model_fetch",
    "model_info",
    "model_stand_in",
    "plan",
    "report",
    "review",
    "search",
    "verify",
    "view",
]

# Words of a command line that mean nothing to a call.
_OF_TERMINALS = ("help", "verbose", "json")

_BEAM_ARGS = "beam_args"


def function_name(command: str) -> str:
    """What the function of a command is called: `head fit` is `head_fit`."""
    return command.replace(" ", "_").replace("-", "_")


def _function(command: str) -> Callable[..., Any]:
    """A command as a function.

    What it cannot do without may be given by place, all else by name only.
    """
    parser = _parsers()[command]
    actions = {each.dest: each for each in parser._actions if each.dest not in _OF_TERMINALS}
    signature = inspect.Signature(_parameters(parser, list(actions.values())))

    def call(*args: Any, **kwargs: Any) -> Any:
        given = signature.bind(*args, **kwargs).arguments
        beam_args = tuple(_texts(_BEAM_ARGS, given.pop(_BEAM_ARGS, ())))
        arguments = parser.parse_args(_words(actions, given))
        arguments.beam_args = beam_args
        arguments.owns_process, arguments.is_call = False, True
        # A notebook's own streams are not touched; in a script other threads may write there.
        arguments.verbose = not in_notebook()
        runs_beam = parser.get_default("takes_beam_flags")
        as_elsewhere = no_notebook() if runs_beam and in_notebook() else contextlib.nullcontext()
        with _unlogged(), as_elsewhere:
            answer: Answer = arguments.command(arguments)
        return answer.result

    call.__name__ = call.__qualname__ = function_name(command)
    call.__module__ = "quantlabel"
    call.__doc__ = _doc(parser, actions.values())
    call.__signature__ = signature  # type: ignore[attr-defined]  # which `help` shows
    return call


@functools.cache
def _parsers() -> Mapping[str, Parser]:
    return command_parsers()


def _parameters(
    parser: argparse.ArgumentParser, actions: Sequence[argparse.Action]
) -> list[inspect.Parameter]:
    by_place, by_name = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY
    places, names = [], []
    for action in actions:
        if action.required:
            places.append(inspect.Parameter(action.dest, by_place))
        else:
            kind = by_name if action.option_strings else by_place
            names.append(inspect.Parameter(action.dest, kind, default=_default(action)))
    # Words before flags, as they are typed.
    flags = {action.dest for action in actions if action.option_strings}
    places.sort(key=lambda each: each.name in flags)
    names.sort(key=lambda each: each.kind)
    if parser.get_default("takes_beam_flags"):
        names.append(inspect.Parameter(_BEAM_ARGS, by_name, default=()))
    return places + names


def _default(action: argparse.Action) -> Any:
    if action.default is argparse.SUPPRESS:  # where the options of a run have it
        in_run = getattr(LabelOptions, action.dest, None)
        return getattr(PlanOptions, action.dest, in_run)
    return tuple(action.default) if isinstance(action.default, list) else action.default


def _words(actions: Mapping[str, argparse.Action], given: Mapping[str, Any]) -> list[str]:
    """The arguments of a call as those of the command; None is for the default."""
    flags: list[str] = []
    places: list[str] = []
    for name, action in actions.items():
        value = given.get(name)
        if value is None:
            continue
        flag = action.option_strings[0] if action.option_strings else None
        if flag and action.nargs == 0:
            if not isinstance(value, bool):
                raise UsageError(f"{name}: expected True or False, found {value!r}")
            flags += [flag] if value is action.const else []
            continue
        texts = _texts(name, value)
        several = isinstance(action, argparse._AppendAction) or action.nargs == "+"
        if not several and len(texts) != 1:
            raise UsageError(f"{name}: expected one value, found {value!r}")
        if flag:
            flags += [f"{flag}={each}" for each in texts]
        else:
            places += texts
    return [*flags, *(["--", *places] if places else [])]


def _texts(name: str, value: Any) -> list[str]:
    """One value, or several, as they are typed."""
    several = isinstance(value, Iterable) and not isinstance(value, str | bytes | os.PathLike)
    texts = []
    for each in value if several else [value]:
        plain = os.fspath(each) if isinstance(each, os.PathLike) else each
        if not isinstance(plain, str | numbers.Real):
            raise UsageError(f"{name}: expected text, a path or a number, found {each!r}")
        texts.append(str(plain))
    return texts


def _doc(parser: argparse.ArgumentParser, actions: Iterable[argparse.Action]) -> str:
    formatter = parser._get_formatter()
    about = parser.description or "See the command."
    lines = [f"`{parser.prog}`. {about}", "", "Args:"]
    for action in actions:
        meaning = formatter._expand_help(action) if action.help else ""
        lines.append(f"    {action.dest}: {meaning or 'which'}")
    if parser.get_default("takes_beam_flags"):
        lines.append(f"    {_BEAM_ARGS}: flags for Apache Beam, `--name=value` each")
    return "\n".join([*lines, "", "Raises:", "    UserError: as the command would say it."])


@contextlib.contextmanager
def _unlogged() -> Iterator[None]:
    """Keeps what others log off the screen of a program that has not said where logs go.

    Beam logs the traceback of an error that becomes one line.
    """
    nowhere = logging.NullHandler()
    root = logging.getLogger()
    root.addHandler(nowhere)
    try:
        yield
    finally:
        root.removeHandler(nowhere)


label: Callable[..., LabelledRun] = _function("label")
plan: Callable[..., dict[str, Any]] = _function("plan")
verify: Callable[..., dict[str, Any]] = _function("verify")
report: Callable[..., dict[str, Any]] = _function("report")
view: Callable[..., dict[str, Any]] = _function("view")
evaluate: Callable[..., dict[str, Any]] = _function("evaluate")
head_fit: Callable[..., dict[str, Any]] = _function("head fit")
head_apply: Callable[..., dict[str, Any]] = _function("head apply")
duplicates: Callable[..., dict[str, Any]] = _function("duplicates")
search: Callable[..., Sequence[dict[str, Any]]] = _function("search")
review: Callable[..., list[dict[str, Any]]] = _function("review")
export: Callable[..., dict[str, Any]] = _function("export")
labels_search: Callable[..., dict[str, Any]] = _function("labels search")
model_fetch: Callable[..., dict[str, Any]] = _function("model fetch")
model_info: Callable[..., dict[str, Any]] = _function("model info")
model_export: Callable[..., dict[str, Any]] = _function("model export")
model_compare: Callable[..., dict[str, Any]] = _function("model compare")
model_stand_in: Callable[..., dict[str, Any]] = _function("model stand-in")
