"""What a run costs: what it needs times what that is sold for."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple, get_args

from pipeline.run.costs.prices import Machine, Prices, Range
from pipeline.run.options import BucketIn

Offer = Literal["dataflow", "flexrs", "own", "spot"]

OFFERS: tuple[Offer, ...] = get_args(Offer)
"""Dataflow; Dataflow that may start within six hours; machines of one's own; the same as spot."""

_GB = 1e9
_PER = 1000


@dataclasses.dataclass(frozen=True, kw_only=True)
class Needs:
    """What a run asks of services, whatever that costs.

    Attributes:
        pictures: that are labelled.
        cpu_hours: of processors as fast as one of this machine.
        class_a: requests by storage.
        class_b: requests by storage.
        read_bytes: from each storage.
    """

    pictures: Range
    cpu_hours: Range
    class_a: Mapping[str, Range]
    class_b: Mapping[str, Range]
    read_bytes: Mapping[str, Range]


class Line(NamedTuple):
    """One cost.

    Attributes:
        name: what for.
        cost: in the currency of the prices.
        how: the arithmetic of the expected figure.
    """

    name: str
    cost: Range
    how: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Bill:
    """What a run costs on one kind of machine under one offer.

    Attributes:
        machine: name of its type.
        offer: see `OFFERS`.
        workers: machines at most.
        hours: from the first worker's start to the end.
        lines: its parts.
    """

    machine: str
    offer: Offer
    workers: Range
    hours: Range
    lines: Sequence[Line]

    @property
    def total(self) -> Range:
        """Of all lines."""
        total = Range(0, 0, 0)
        for line in self.lines:
            total = total.plus(line.cost)
        return total

    def as_dict(self) -> dict[str, Any]:
        """For programs."""
        return {
            "machine_type": self.machine,
            "offer": self.offer,
            "workers": self.workers._asdict(),
            "hours": self.hours._asdict(),
            "lines": [
                {"name": line.name, **line.cost._asdict(), "how": line.how} for line in self.lines
            ],
            "total": self.total._asdict(),
        }


def bill(
    needs: Needs,
    prices: Prices,
    *,
    machine_type: str,
    offer: Offer,
    max_workers: int,
    bucket_in: BucketIn,
) -> Bill | None:
    """Adds up what a run costs; None where the table has no price for the machine.

    Args:
        needs: of the run.
        prices: of everything.
        machine_type: name of a type of machine.
        offer: how machines are hired.
        max_workers: machines at a time.
        bucket_in: where the pictures are, seen from the workers.

    Raises:
        UsageError: nobody knows what the machine has.
    """
    machine = prices.machine(machine_type)
    hired = _hired(machine, prices, offer)
    if hired is None:
        return None
    assumed = prices.assumed
    vcpu_hours = needs.cpu_hours.times(assumed.vcpu_seconds)
    work = vcpu_hours.times(1 / machine.vcpus)  # hours of machines
    workers = Range(*(_workers(hours, assumed.hours_a_worker, max_workers) for hours in work))
    start = assumed.seconds_to_start.times(1 / 3600)
    waiting = Range(*(1 / share - 1 for share in assumed.busy))
    idle = work.times(waiting).plus(workers.times(start))
    spread = zip(work, waiting, workers, start, strict=True)
    hours = Range(*(w * (1 + wait) / n + s for w, wait, n, s in spread))
    lines = [
        *_requests(needs, prices),
        *_worked(machine, prices, hired, offer, vcpu_hours=vcpu_hours, work=work),
        *_moved(needs, prices, offer, bucket_in),
        Line(
            "starting, idle",
            idle.times(hired.an_hour(machine, prices)),
            f"{_number(idle.expected)} machine hours, workers: {workers.expected:,.0f}",
        ),
    ]
    return Bill(machine=machine_type, offer=offer, workers=workers, hours=hours, lines=lines)


def _workers(hours: float, hours_a_worker: float, most: int) -> float:
    return min(max(math.ceil(hours / hours_a_worker), 1), most)


class _Hired(NamedTuple):
    """Prices of machines under an offer: of a whole one, or of its parts."""

    machine: Range | None
    vcpu: float = 0.0
    memory: float = 0.0

    def an_hour(self, machine: Machine, prices: Prices) -> Range:
        """Of a machine that only waits."""
        disk = prices.assumed.disk_gb * prices.dataflow.disk_gb_hour
        parts = machine.vcpus * self.vcpu + machine.memory_gb * self.memory
        return (self.machine or Range(parts, parts, parts)).plus(Range(disk, disk, disk))


def _hired(machine: Machine, prices: Prices, offer: Offer) -> _Hired | None:
    dataflow = prices.dataflow
    if offer == "dataflow":
        return _Hired(None, dataflow.vcpu_hour, dataflow.memory_gb_hour)
    if offer == "flexrs":
        return _Hired(None, dataflow.flexrs_vcpu_hour, dataflow.flexrs_memory_gb_hour)
    if machine.hour is None:
        return None
    whole = Range(machine.hour, machine.hour, machine.hour)
    return _Hired(whole.times(prices.assumed.spot) if offer == "spot" else whole)


def _requests(needs: Needs, prices: Prices) -> Iterator[Line]:
    again = Range(*(1 + share for share in prices.assumed.repeated))
    for name, counts, letter in (
        ("listing, writing", needs.class_a, "class_a"),
        ("reading", needs.class_b, "class_b"),
    ):
        cost, said = Range(0, 0, 0), []
        for storage, count in counts.items():
            if storage in prices.requests:
                price = getattr(prices.requests[storage], letter)
                cost = cost.plus(count.times(again).times(price / _PER))
                asked = f"{count.expected:,.0f} {storage} {letter[-1].upper()}"
                said.append(f"{asked} / 1,000 x {_price(price)}")
            elif storage == "http":
                said.append(f"{count.expected:,.0f} http, free of charge")
        yield Line(name, cost, "; ".join(said) or "no requests: files of this machine")


def _worked(
    machine: Machine,
    prices: Prices,
    hired: _Hired,
    offer: Offer,
    *,
    vcpu_hours: Range,
    work: Range,
) -> Iterator[Line]:
    if hired.machine is not None:
        how = f"{_number(work.expected)} h x {_price(hired.machine.expected)}"
        yield Line("machines", work.times(hired.machine), f"{how}{', spot' * (offer == 'spot')}")
    else:
        how = f"{_number(vcpu_hours.expected)} vCPU h x {_price(hired.vcpu)}"
        yield Line("processors", vcpu_hours.times(hired.vcpu), how)
        memory = work.times(machine.memory_gb)
        how = f"{_number(memory.expected)} GB h x {_price(hired.memory)}"
        yield Line("memory", memory.times(hired.memory), how)
    disk = work.times(prices.assumed.disk_gb)
    price = prices.dataflow.disk_gb_hour
    yield Line("disk", disk.times(price), f"{_number(disk.expected)} GB h x {_price(price)}")


def _moved(needs: Needs, prices: Prices, offer: Offer, bucket_in: BucketIn) -> Iterator[Line]:
    if offer in ("dataflow", "flexrs"):
        gb = needs.pictures.times(prices.assumed.shuffle_bytes).times(1 / _GB)
        price = prices.dataflow.shuffle_gb
        yield Line("shuffle", gb.times(price), f"{_number(gb.expected)} GB x {_price(price)}")
    cost, said = Range(0, 0, 0), []
    for storage, size in needs.read_bytes.items():
        gb = size.times(1 / _GB)
        if storage == "gs":
            price = getattr(prices.traffic, bucket_in)
            said.append(f"{_number(gb.expected)} GB x {_price(price)}, bucket in: {bucket_in}")
        elif storage == "s3":
            price = prices.traffic.from_s3
            said.append(f"{_number(gb.expected)} GB of s3 x {_price(price)}")
        else:
            continue
        cost = cost.plus(gb.times(price))
    yield Line("traffic", cost, "; ".join(said) or "nothing read from a bucket")


def _number(value: float) -> str:
    return f"{value:,.2f}" if value >= 0.01 or value == 0 else f"{value:.6f}"


def _price(value: float) -> str:
    """Without an exponent: finance departments read it."""
    return f"{value:.9f}".rstrip("0").rstrip(".")
