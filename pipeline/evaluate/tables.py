"""An evaluation on a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipeline.labels.answers.guesses import COPIED, MAY_BE_GUESSES

_SHOWN = 10
_REPEATED = 2
"""Times that a mistake was made before it is called a confusion."""

_ENOUGH = 5
"""Pictures of a class from which on its recall is listed: of one it is 0 or 100 %."""

_THRESHOLDS = range(0, 100, 10)


def print_evaluation(result: Mapping[str, Any], *, path: str, console: Console) -> None:
    """Prints the figures that a person looks at first.

    Args:
        result: of `pipeline.evaluate.evaluate.evaluate`.
        path: where all of them are.
        console: to print on.
    """
    console.print(_summary(result, path))
    if result["calibration"] is not None:
        console.print(_thresholds(result))
    if result["confused"]:
        console.print(_confused(result))
    console.print(_weakest(result))
    counts = [each["truth"] for each in result["classes"] if each["truth"]]
    few = sum(count < _ENOUGH for count in counts)
    if 0 < few < len(counts):
        console.print(f"{few:,} classes with fewer than {_ENOUGH} pictures are not listed.")


def _summary(result: Mapping[str, Any], path: str) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in _lines(result, path):
        table.add_row(name, escape(value))
    return table


def _lines(result: Mapping[str, Any], path: str) -> list[tuple[str, str]]:
    rows = result["rows"]
    lines = [
        ("labels", _KINDS[result["labels"]] + _learned(result)),
        ("pictures", f"{rows['with_truth']:,} with truth"),
        *answer_lines(result["answers"]),
        ("failed", _named(rows["failures"], "could not be labelled, counted as misses", [])),
        (
            "left out",
            _named(rows["without_truth"], "without truth", rows["without_truth_examples"]),
        ),
        (
            "unused",
            _named(rows["truth_unused"], "of the truth without row", rows["truth_unused_examples"]),
        ),
        ("copied?", COPIED if result["copied"] else ""),
        *_right(result),
        ("shifted?", _shifted(result["shifted"])),
        *_calibration(result["calibration"]),
        ("written", path),
    ]
    return [(name, value) for name, value in lines if value]


_KINDS = {
    "network": "the network's classes",
    "mapped": "of the label map",
    "head": "of the head",
}


def _learned(result: Mapping[str, Any]) -> str:
    """A head that is asked what it was told: an examination with the answers at hand."""
    if result["fitted_on"] != result["truth"]:
        return ""
    return ", which has learned from this truth: see head fit for honest figures"


def answer_lines(answers: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    """Who said what the pictures show, what was left out of that, and how far people agree.

    Args:
        answers: what `pipeline.labels.truth.Truth.summary` says.

    Returns:
        Names and texts; empty ones where there is nothing to say, as of a table without names.
    """
    if answers is None:
        return []
    people, agreement = answers["annotators"], answers["agreement"]
    parts = [
        _named(answers["none_of_these"], "none of these", []),
        _named(answers["skipped"], "skipped, left out", []),
        _named(answers["superseded"], "replaced by a later one of the same person", []),
        _named(answers["by_majority"], "decided by majority", []),
        _named(answers["disputed"], "left out, as people differ", []),
        # Not in evaluations of earlier versions.
        _named(answers.get("overruled", 0), "overruled by a longer name of the same picture", []),
    ]
    said = f"{answers['answers']:,}" + (f" of {people:,} people" if people > 1 else "")
    known = people or any(parts)
    return [
        ("answers", "; ".join([said, *filter(None, parts)]) if known else ""),
        ("agreement", _agreement(agreement) if agreement else ""),
        ("guesses?", MAY_BE_GUESSES if answers.get("may_be_guesses") else ""),
    ]


def _agreement(agreement: Mapping[str, Any]) -> str:
    kappa = agreement["kappa"]
    chance = "" if kappa is None else f", {agreement['kappa_of']}'s kappa {kappa:.2f}"
    return (
        f"{_percent(agreement['agreed'])} % over {agreement['pictures']:,} pictures with several "
        f"answers{chance}"
    )


def _shifted(share: Mapping[str, Any] | None) -> str:
    if share is None:
        return ""
    return (
        f"{share['hits']:,} of {share['of']:,} would be right with 1 "
        f"{'added to' if share['by'] > 0 else 'taken from'} each class_id of the truth. Here class "
        f"1 is {share['class_1']}"
    )


def _right(result: Mapping[str, Any]) -> list[tuple[str, str]]:
    if result["labels"] == "network":
        known = result["top5"]
        top5 = _share(known) if known else "not known (--top-k below 5)"
        return [("top-1", _share(result["top1"])), ("top-5", top5)]
    if result["precision"] is None:
        return [("labelled", _share(result["answered"]))]
    return [
        ("labelled", _share(result["answered"])),
        ("right of those", _share(result["precision"])),
        ("right of all", _share(result["top1"])),
    ]


def _named(count: int, what: str, examples: list[str]) -> str:
    first = f", such as {examples[0]}" if examples else ""
    return f"{count:,} {what}{first}" if count else ""


def _share(share: Mapping[str, Any]) -> str:
    interval = f"95 % interval {_percent(share['low'])} to {_percent(share['high'])}"
    return f"{_percent(share['share'])} % ({interval}), {share['hits']:,} of {share['of']:,}"


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f}"


def _calibration(calibration: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    if calibration is None:
        return []
    score, right = _percent(calibration["score"]), _percent(calibration["accuracy"])
    error = _percent(calibration["error"])
    lines = [
        ("scores", f"mean {score} where {right} % are right; calibration error {error} points")
    ]
    if fitted := calibration["fitted"]:
        lines.append(("temperature", _fitted(fitted)))
    return lines


def _fitted(fitted: Mapping[str, Any]) -> str:
    return (
        f"{fitted['temperature']:.2f} ({fitted['low']:.2f} to {fitted['high']:.2f}) fits best: "
        f"mean score {_percent(fitted['score'])}, calibration error {_percent(fitted['error'])}"
    )


def _table(title: str, *columns: str, right: int) -> Table:
    table = Table(
        *columns,
        title=f"\n{title}",
        title_justify="left",
        title_style="bold",
        box=None,
        pad_edge=False,
    )
    for column in table.columns[len(columns) - right :]:
        column.justify = "right"
    return table


def _thresholds(result: Mapping[str, Any]) -> Table:
    columns = ("score at least", "pictures", "% of all", "% right")
    table = _table("If lower scores do not count", *columns, right=4)
    for entry in (result["coverage"][at] for at in _THRESHOLDS):
        table.add_row(
            f"{entry['threshold']:.1f}",
            f"{entry['rows']:,}",
            _percent(entry["coverage"]),
            _percent(entry["accuracy"]),
        )
    return table


def _confused(result: Mapping[str, Any]) -> Table | str:
    if result["confused"][0]["rows"] < _REPEATED:
        return _note(
            "every mistake was made once, which may be chance: see what repeats when more "
            "pictures have a truth"
        )
    table = _table("Most confused", "truth", "predicted", "pictures", right=1)
    for pair in result["confused"][:_SHOWN]:
        if pair["rows"] >= _REPEATED:
            table.add_row(_class(pair["truth"]), _class(pair["predicted"]), f"{pair['rows']:,}")
    return table


def _weakest(result: Mapping[str, Any]) -> Table | str:
    known = [each for each in result["classes"] if each["truth"]]
    enough = [each for each in known if each["truth"] >= _ENOUGH]
    if not enough:
        return _note(f"no class has {_ENOUGH} pictures with a truth: recall of a class is noise")
    columns = ("class", "pictures", "% recall", "% precision")
    table = _table("Least often recognized", *columns, right=3)
    enough.sort(key=lambda each: (each["recall"], -each["truth"]))
    for each in enough[:_SHOWN]:
        recall, precision = _percent(each["recall"]), _percent(each["precision"])
        table.add_row(_class(each), f"{each['truth']:,}", recall, precision)
    return table


def _note(text: str) -> str:
    return f"\n{text[0].upper()}{text[1:]}."


def _class(name: Mapping[str, Any]) -> str:
    number = f" ({name['class_id']})" if "class_id" in name else ""
    return escape(f"{name['label']}{number}")
