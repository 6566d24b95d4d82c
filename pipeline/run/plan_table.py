"""A plan as tables for people, in which every estimate shows its arithmetic."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipeline.console.units import byte_size
from pipeline.run.costs.bill import Bill
from pipeline.run.plan import CPU_SECONDS_A_ROW, SECONDS_TO_START, Plan
from transforms.storage.addresses import shown

_TITLES = {
    "dataflow": "Dataflow",
    "flexrs": "FlexRS",
    "own": "own machines",
    "spot": "own, spot",
}


def print_plan(found: Plan, *, console: Console) -> None:
    """Prints what there is, what it costs, and what other machines would cost."""
    chosen = found.bills[0]
    console.print(_work(found))
    console.print()
    console.print(_bill(chosen, found.prices.currency))
    console.print()
    console.print(_compared(found))
    console.print()
    table = found.prices
    changed = f", changed by {shown(found.options.prices)}" if found.options.prices else ""
    console.print(
        f"Prices of {table.date}, {table.region}{changed}: {table.source}. Low and high: the "
        "sample's error, and what is assumed of machines; quantlabel plan --json and "
        "docs/commands/plan.md say what.",
        markup=False,
        highlight=False,
    )


def _work(found: Plan) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    table.add_column(justify="right")
    table.add_column(overflow="fold")
    for name, value, how in _lines(found):
        table.add_row(name, escape(value), escape(how))
    return table


def _lines(found: Plan) -> Iterator[tuple[str, str, str]]:
    n, sampled = f"{found.entries:,}", f"{found.sampled:,}"
    milliseconds = 1000 * found.cpu_seconds / found.sampled
    low, _, high = found.pictures
    between = f"{low:,.0f} to {high:,.0f}; " if high - low >= 1 else ""
    is_part = found.spans_listed < found.spans
    spans = f"{found.spans_listed:,} of {found.spans:,} spans " if is_part else ""
    skipped = f"{found.skipped:,} files skipped"
    yield "pictures", n, f"{between}{spans}listed in {found.listing_seconds:.1f} s; {skipped}"
    if found.archives:
        how = f"their pictures estimated from the size of {found.opened:,}"
        yield "archives", f"{found.archives:,}", how
    if found.unlisted:
        yield "not listed", f"{found.unlisted:,}", "folders or rows of lists; each is a failure"
    yield "tried", sampled, f"{found.encoded_bytes / found.sampled / 1000:,.0f} kB a picture"
    yield "failures", f"{found.failures:,}", _failure_arithmetic(found)
    a_row = f"{n} x {found.output_bytes / found.sampled:,.0f} bytes a row"
    yield "output", byte_size(found.total_output_bytes), a_row
    speed = f"{found.pictures_per_second:,.0f} pictures/s on {found.cores} cores"
    yield "time here", _duration(found.hours_here), f"{SECONDS_TO_START:.0f} s + {n} / {speed}"
    hours = found.needs.cpu_hours.expected
    each = f"({milliseconds:.2f} + {1000 * CPU_SECONDS_A_ROW:.1f}) ms"
    how = f"{found.start_cpu_seconds:.1f} s + {n} x {each}, at this machine's speed a core"
    yield "processor time", f"{_number(hours)} h", how


def _bill(bill: Bill, currency: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(f"{_TITLES[bill.offer]}, {bill.machine}", style="bold")
    for title in ("low", "expected", "high"):
        table.add_column(title, justify="right")
    table.add_column(f"{currency}, and the expected figure's arithmetic", overflow="fold")
    for line in bill.lines:
        table.add_row(line.name, *map(_money, line.cost), escape(line.how))
    hours = f"{_duration(bill.hours.expected)}, workers: {bill.workers.expected:,.0f}"
    table.add_row("total", *map(_money, bill.total), hours, style="bold")
    return table


def _compared(found: Plan) -> Table:
    """The total of each machine under each offer."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("expected total", style="bold")
    table.add_column("time", justify="right")
    for title in _TITLES.values():
        table.add_column(title, justify="right")
    for machine in dict.fromkeys(bill.machine for bill in found.bills):
        bills = {bill.offer: bill for bill in found.bills if bill.machine == machine}
        totals = [_money(bills[o].total.expected) if o in bills else "-" for o in _TITLES]
        is_arm = found.prices.machine(machine).processor == "ARM"
        name = f"{machine} (ARM)" if is_arm else machine
        table.add_row(name, _duration(bills["dataflow"].hours.expected), *totals)
    return table


def _failure_arithmetic(found: Plan) -> str:
    failed = sum(found.failures_by_reason.values())
    reasons = ", ".join(f"{n} {reason}" for reason, n in found.failures_by_reason.items())
    return f"{failed} of {found.sampled:,} tried" + (f": {reasons}" if reasons else "")


def _money(amount: float) -> str:
    return f"{amount:,.2f}" if amount >= 0.01 or amount == 0 else f"{amount:.4f}"


def _number(value: float) -> str:
    return f"{value:,.2f}" if value >= 0.01 else f"{value:.6f}"


def _duration(hours: float) -> str:
    seconds = round(hours * 3600)
    if seconds < 120:
        return f"{seconds} s"
    return f"{seconds / 60:,.0f} min" if seconds < 7200 else f"{hours:,.1f} h"
