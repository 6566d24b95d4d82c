"""Heads on a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipeline.evaluate.tables import answer_lines
from pipeline.labels.answers.guesses import COPIED

_SHOWN = 20


def print_fit(about: Mapping[str, Any], *, path: str, console: Console) -> None:
    """Prints the cross-validated figures of a head.

    Args:
        about: what `pipeline.heads.fit.fit` returned.
        path: of the head.
        console: to print on.
    """
    rows, right, largest = about["rows"], about["accuracy"], about["largest_label"]
    unused, alone = rows["truth_unused"], rows["alone"]
    single = ", ".join(rows["alone_examples"][:3])
    lines = [
        ("pictures", f"{rows['with_truth']:,} with truth"),
        *answer_lines(about["answers"]),
        ("left out", f"{alone:,} labels with one picture, such as {single}" if alone else ""),
        ("unused", f"{unused:,} of the truth without row" if unused else ""),
        ("copied?", COPIED if about["copied"] else ""),
        (
            "right",
            f"{100 * right['share']:.1f} % (95 % interval {100 * right['low']:.1f} to "
            f"{100 * right['high']:.1f}), {about['folds']}-fold cross-validation",
        ),
        ("", f"{100 * largest['share']:.1f} % if everything got the most frequent label"),
        ("scores", f"calibration error {100 * about['calibration_error']:.1f} points"),
        ("written", path),
    ]
    console.print(_grid([(name, value) for name, value in lines if value]))
    console.print()
    console.print(_labels(about))


def _labels(about: Mapping[str, Any]) -> Table:
    table = Table("label", "pictures", "% recall", "% precision", box=None, pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    figures = sorted(about["by_label"], key=lambda each: each["recall"])
    for each in figures[:_SHOWN]:
        precision = each["precision"]
        table.add_row(
            escape(each["label"]),
            f"{each['truth']:,}",
            f"{100 * each['recall']:.1f}",
            "" if precision is None else f"{100 * precision:.1f}",
        )
    return table


def print_apply(manifest: Mapping[str, Any], *, folder: str, console: Console) -> None:
    """Prints how many rows got which label.

    Args:
        manifest: what `pipeline.heads.apply.apply` returned.
        folder: where the rows are.
        console: to print on.
    """
    shown = list(manifest["labels"].items())[:_SHOWN]
    lines = [
        ("rows", f"{manifest['rows']:,}"),
        ("labels", ", ".join(f"{label} ({count:,})" for label, count in shown)),
        ("written", f"{folder}: {_files(len(manifest['files']))}, _MANIFEST.json"),
    ]
    console.print(_grid(lines))


def _files(count: int) -> str:
    return f"{count} file" if count == 1 else f"{count} files"


def _grid(lines: list[tuple[str, str]]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in lines:
        table.add_row(name, escape(value))
    return table
