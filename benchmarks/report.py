"""Results as tables on the terminal, as JSON and as a chart."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks import chart, machine
from benchmarks.contestants import CONTESTANTS
from benchmarks.results import Results, Summary, net
from benchmarks.targets import Verdict, judge

WIDTH = 140
"""Columns of text that the widest table takes at most."""

_COLOURS = {"PASS": "green", "FAIL": "bold red", "SKIP": "dim"}

_SCENARIOS = {
    "main": "Main: the same pictures for everybody",
    "large": "Large: pictures of 12 megapixels",
    "cores": "Cores: as many of them simulated, loading as a sleep of 2 ms",
    "scale": "Scale: ten times as many",
    "start": "Start: one picture, and no picture",
    "soak": "Soak: one long run",
}


def save(results: Results, folder: Path) -> list[Path]:
    """Writes results.json, results.md and, if the main scenario ran, chart.svg; returns them."""
    report, tables = folder / "results.json", folder / "results.md"
    report.write_text(json.dumps(as_json(results), indent=2) + "\n", encoding="utf-8")
    with tables.open("w", encoding="utf-8") as stream:
        show(results, Console(file=stream, width=WIDTH))
    rows = _wholes(results)
    if not rows:
        return [report, tables]
    picture = folder / "chart.svg"
    note = f"{rows[0].pictures:,} pictures; {machine.one_line(results.machine)}"
    picture.write_text(
        chart.draw(
            rows, titles={name: each.title for name, each in CONTESTANTS.items()}, note=note
        ),
        encoding="utf-8",
    )
    return [report, tables, picture]


def as_json(results: Results) -> dict[str, Any]:
    """Everything that was measured, with what follows from it."""
    return {
        "machine": results.machine,
        "command": results.command,
        "pictures": results.pictures,
        "notes": results.notes,
        "targets": [verdict._asdict() for verdict in judge(results)],
        "summaries": [
            {**dataclasses.asdict(summary), "pictures_per_s": summary.rate}
            for summary in results.summaries()
        ],
        "stages_ms": results.stages,
        "row_groups": results.row_groups,
        "soak": [sample._asdict() for sample in results.soak],
        "agreement": results.agreement and results.agreement._asdict(),
        "runs": [run._asdict() for run in results.runs],
    }


def show(results: Results, console: Console) -> None:
    """Prints the tables, which are Markdown too, and the verdicts."""
    console.print(machine.one_line(results.machine), highlight=False)
    for note in results.notes:
        console.print(note, style="yellow", highlight=False)
    if _wholes(results):
        console.print(_main_table(results))
    for scenario in ("large", "cores", "scale", "start", "soak"):
        if summaries := results.summaries(scenario):
            console.print(_plain_table(_SCENARIOS[scenario], summaries))
    if results.soak:
        console.print(_soak_table(results))
    if results.stages:
        console.print(_stage_table(results))
    console.print(_verdict_table(judge(results)))


def _wholes(results: Results) -> list[Summary]:
    """The main scenario without the runs over one picture."""
    summaries = results.summaries("main")
    most = max((summary.pictures for summary in summaries), default=0)
    return [summary for summary in summaries if summary.pictures == most]


def _main_table(results: Results) -> Table:
    table = _table(
        _SCENARIOS["main"],
        *("", "seconds (range)", "pictures/s", "start-up s", "net/s"),
        *("CPU ms each", "peak MB", "ours is faster by"),
    )
    for summary in _wholes(results):
        one = results.find("main", summary.contestant, 1)
        ours = results.find("main", "ours")
        # With fewer pictures than noise there is no net time.
        rest = net(summary, one) if one and net(summary, one) > 0 else None
        table.add_row(
            _title(summary),
            _range(summary),
            f"{summary.rate:,.0f}",
            f"{one.median_s:.1f}" if one else "",
            f"{(summary.pictures - 1) / rest:,.0f}" if rest else "",
            f"{summary.cpu_s * 1000 / summary.pictures:.2f}",
            _megabytes(summary),
            f"{summary.median_s / ours.median_s:.2f}" if ours else "",
        )
    return table


def _soak_table(results: Results) -> Table:
    """The most of each tenth of the run, but for the first: it starts up."""
    table = _table("Soak: the most that it held", "part of the run", "MB", "files", "threads")
    end = results.soak[-1].seconds
    for tenth in range(1, 10):
        start, stop = (end * edge / 10 for edge in (tenth, tenth + 1))
        part = [sample for sample in results.soak if start <= sample.seconds <= stop]
        if part:
            most = [max(sample[column] for sample in part) for column in (1, 2, 3)]
            table.add_row(
                f"{tenth}0 to {tenth + 1}0 %", f"{most[0] / 1e6:,.0f}", str(most[1]), str(most[2])
            )
    return table


def _plain_table(title: str, summaries: list[Summary]) -> Table:
    table = _table(title, "", "pictures", "seconds (range)", "CPU s", "pictures/s", "peak MB")
    for summary in summaries:
        table.add_row(
            _title(summary),
            f"{summary.pictures:,}",
            _range(summary),
            f"{summary.cpu_s:.2f}",
            f"{summary.rate:,.0f}" if summary.pictures > 1 else "",
            _megabytes(summary),
        )
    return table


def _stage_table(results: Results) -> Table:
    """The stages, and what the runs took besides them."""
    table = _table("Stages of ours, one thread", "stage", "CPU ms each", "share")
    rows = dict(results.stages)
    whole, one = results.find("main", "ours"), results.find("main", "ours", 1)
    if whole and one and whole.pictures > 1:
        measured = (whole.cpu_s - one.cpu_s) * 1000 / (whole.pictures - 1)
        rows["rest"] = max(0.0, measured - sum(results.stages.values()))
    total = sum(rows.values())
    for stage, cost in rows.items():
        table.add_row(stage, f"{cost:.3f}", f"{cost / total:.1%}")
    table.add_row("all", f"{total:.3f}", "")
    return table


def _verdict_table(verdicts: list[Verdict]) -> Table:
    table = _table("Targets", "target", "wanted", "measured", "")
    for verdict in verdicts:
        colour = _COLOURS[verdict.status]
        table.add_row(*verdict[:3], f"[{colour}]{verdict.status}[/]")
    return table


def _table(title: str, *columns: str) -> Table:
    table = Table(title=f"\n{title}", title_justify="left", box=box.MARKDOWN)
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left", no_wrap=not number)
    return table


def _title(summary: Summary) -> str:
    contestant = CONTESTANTS.get(summary.contestant)
    if summary.contestant == "help":
        return "quantlabel --help"
    return contestant.title if contestant else summary.contestant


def _range(summary: Summary) -> str:
    return f"{summary.median_s:.2f} ({summary.min_s:.2f}-{summary.max_s:.2f})"


def _megabytes(summary: Summary) -> str:
    return f"{summary.peak_bytes / 1e6:,.0f}" if summary.peak_bytes else ""
