"""Tables that Sphinx takes from the code, so that the pages cannot say anything else.

A column or a reason that has no words on its page, or words for one that is gone, ends the build.
"""

from __future__ import annotations

import argparse
import ast
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from pipeline.cli import _parser
from transforms.failures import Reason
from transforms.rows.formats import FEATURE_KEYS
from transforms.rows.schema import FAILURE_SCHEMA, prediction_schema

Cell = list[nodes.Node]

ROOT = Path(__file__).resolve().parent.parent

_FEATURES = 256
"""Length of the feature vector of the default model, as the table shows it."""


def code(text: str) -> Cell:
    """A cell with something to type."""
    return [nodes.paragraph("", "", nodes.literal(text=text))]


def words(text: str) -> Cell:
    """A cell with plain text."""
    return [nodes.paragraph(text=text)]


def table(
    header: Iterable[str], rows: Iterable[Iterable[Cell]], *, classes: Sequence[str] = ()
) -> nodes.table:
    """A table whose columns are as wide as they need to be.

    Args:
        header: titles of the columns.
        rows: a cell for each column.
        classes: for `_static/tables.css`.
    """
    titles = [words(title) for title in header]
    group = nodes.tgroup(cols=len(titles))
    group += [nodes.colspec(colwidth=1) for _ in titles]
    group += nodes.thead("", _row(titles))
    group += nodes.tbody("", *(_row(cells) for cells in rows))
    return nodes.table("", group, classes=["colwidths-auto", *classes])


def _row(cells: Iterable[Cell]) -> nodes.row:
    return nodes.row("", *(nodes.entry("", *cell) for cell in cells))


def command(words: Iterable[str]) -> argparse.ArgumentParser:
    """The parser of a command.

    Args:
        words: as they are typed behind `quantlabel`.

    Raises:
        KeyError: there is no such command.
    """
    parser = _parser()
    for word in words:
        (choices,) = (
            action.choices
            for action in parser._actions
            if isinstance(action, argparse._SubParsersAction)
        )
        parser = choices[word]
    return parser


def options(parser: argparse.ArgumentParser) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """What a command takes: for each group its title, and what is typed with its meaning."""
    formatter = argparse.HelpFormatter(parser.prog)
    positional, general, *own = parser._action_groups
    for group in (positional, *own, general):
        taken = [
            (_typed(action, formatter), _meaning(action, formatter))
            for action in sorted(group._group_actions, key=_is_for_all)
            if not isinstance(action, argparse._HelpAction)
        ]
        if taken:
            yield group.title or "", taken


def _is_for_all(action: argparse.Action) -> bool:
    """Whether every command has it: that comes last."""
    return "--verbose" in action.option_strings


def _typed(action: argparse.Action, formatter: argparse.HelpFormatter) -> str:
    value = formatter._format_args(action, str(action.metavar or action.dest.upper()))
    return " ".join([*action.option_strings[-1:], value]).strip()


def _meaning(action: argparse.Action, formatter: argparse.HelpFormatter) -> str:
    meaning = formatter._expand_help(action) if action.help else ""
    return f"{meaning} (required)" if action.required and action.option_strings else meaning


class Options(SphinxDirective):
    """The options of a command, a table a group: ```` ```{options} model export ```` ."""

    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        """Builds the tables."""
        try:
            parser = command(self.arguments[0].split())
        except KeyError as error:
            raise self.error(f"there is no command {error}") from error
        return [
            table(
                (title, ""),
                [(code(typed), words(meaning)) for typed, meaning in taken],
                classes=["options"],
            )
            for title, taken in options(parser)
        ]


class Described(SphinxDirective):
    """A table of things that the code knows, with words from the page, `name: words` a line."""

    has_content = True

    def meanings(self, names: Iterable[str]) -> Mapping[str, Cell]:
        """The words for each of the names.

        Raises:
            DirectiveError: one has none, or there are words for something else.
        """
        lines = [line.partition(":") for line in self.content if line.strip()]
        texts = {name.strip(): text.strip() for name, _, text in lines}
        missing, unknown = [name for name in names if name not in texts], texts.keys() - set(names)
        if missing or unknown:
            raise self.error(f"no words for {missing}, or words for nothing: {sorted(unknown)}")
        return {name: self._inline(text) for name, text in texts.items()}

    def _inline(self, text: str) -> Cell:
        parsed, _ = self.parse_inline(text)
        return [nodes.paragraph("", "", *parsed)]


class Columns(Described):
    """The columns of predictions or failures: name, type, key in TFRecord, words from the page."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Builds the table."""
        kind = directives.choice(self.arguments[0], ("predictions", "failures"))
        schema = prediction_schema(_FEATURES) if kind == "predictions" else FAILURE_SCHEMA
        meanings = self.meanings(schema.names)
        keys: Mapping[str, str] = FEATURE_KEYS if kind == "predictions" else {}
        rows = [
            [
                code(field.name),
                words(_type(field)),
                *([code(keys[field.name])] if keys else []),
                meanings[field.name],
            ]
            for field in schema
        ]
        header = ["column", "type", *(["in TFRecord"] if keys else []), "what it says"]
        return [table(header, rows)]


def _type(field: pa.Field) -> str:
    kind = re.sub(r"\bfloat\b", "float32", re.sub(r"\b(element|item): ", "", str(field.type)))
    return f"{kind}, or null" if field.nullable else kind


class Reasons(Described):
    """Why pictures fail: code, whether another try may help, words from the page."""

    def run(self) -> list[nodes.Node]:
        """Builds the table."""
        meanings = self.meanings([reason.value for reason in Reason])
        rows = [
            [
                code(reason.value),
                words("yes" if reason.retryable else ""),
                meanings[reason.value],
            ]
            for reason in Reason
        ]
        return [table(["reason", "retryable", "what it means"], rows)]


class Rooms(SphinxDirective):
    """The folders of a package, with the first line of each `__init__.py` and the files beside."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Builds the table."""
        rooms = sorted((ROOT / self.arguments[0]).rglob("__init__.py"))
        return [table(["folder", "what it is for", "files"], [_room(init) for init in rooms])]


def _room(init: Path) -> Iterator[Cell]:
    name = init.parent.relative_to(ROOT).as_posix()
    purpose = ast.get_docstring(ast.parse(init.read_text("utf-8"))) or ""
    files = sorted(path.stem for path in init.parent.glob("*.py") if not path.stem.startswith("_"))
    yield code(f"{name}/")
    yield words(purpose.partition("\n")[0])
    yield words(", ".join(files))


def setup(app: Sphinx) -> dict[str, Any]:
    """Tells Sphinx the directives."""
    app.add_directive("options", Options)
    app.add_directive("columns", Columns)
    app.add_directive("reasons", Reasons)
    app.add_directive("rooms", Rooms)
    return {"parallel_read_safe": True}
