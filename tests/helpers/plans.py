"""A plan for forty million pictures, made up."""

from __future__ import annotations

from pipeline.run.costs.bill import Needs
from pipeline.run.costs.prices import Range, load_prices
from pipeline.run.options import LabelOptions, PlanOptions
from pipeline.run.plan import Plan, bills

OPTIONS = PlanOptions(label=LabelOptions(inputs=("gs://bkt/in",), output="unused"))


def _each(value: float) -> Range:
    return Range(value, value, value)


NEEDS = Needs(
    pictures=_each(40_000_000),
    cpu_hours=_each(28),
    class_a={"gs": _each(41_000)},
    class_b={"gs": _each(40_010_000)},
    read_bytes={"gs": _each(4.4e12)},
)
PLAN = Plan(
    pictures=Range(39_000_000, 40_000_000, 41_000_000),
    archives=0,
    opened=0,
    skipped=5,
    unlisted=0,
    spans=256,
    spans_listed=16,
    listing_seconds=60.0,
    sampled=200,
    failures_by_reason={"empty": 1, "truncated": 3},
    encoded_bytes=20_000_000,
    wall_seconds=0.25,
    cpu_seconds=0.45,
    start_cpu_seconds=3.0,
    output_bytes=80_000,
    cores=2,
    needs=NEEDS,
    bills=list(bills(NEEDS, load_prices(), OPTIONS)),
    prices=load_prices(),
    options=OPTIONS,
)
