"""`quantlabel plan`: what a run would do, find, take and cost, from a sample of its pictures."""

from __future__ import annotations

import collections
import dataclasses
import io
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from pipeline.models.load import load_network
from pipeline.run.costs.bill import OFFERS, Bill, Needs, bill
from pipeline.run.costs.prices import Prices, Range, load_prices
from pipeline.run.costs.requests import Asked, Stored, reading, writing
from pipeline.run.options import LabelOptions, PlanOptions
from pipeline.run.sample import Sample, Sampled, mean_of, take_sample
from transforms.ahead import Ahead
from transforms.images.loader import Loader
from transforms.images.loader_pool import LoaderPool
from transforms.images.machine import cores
from transforms.inputs.archives.members import Member
from transforms.network.classify_images import model_handler
from transforms.network.network import Network
from transforms.network.ranking import BATCH_SIZE
from transforms.records import Failure, Image, ImageRef, Prediction
from transforms.rows.formats import FORMATS, encoded
from transforms.rows.schema import prediction_table

SECONDS_TO_START = 2.0
"""From the command to the first picture on a laptop: imports, graph, model. Measured 1 to 2 s."""

_WARM = 8
"""Pictures that are loaded before the clock starts."""

_CPU_SECONDS_TO_START = 1.4
"""Processor time of a run over one picture of this machine."""

_CPU_SECONDS_OF_CLOUD = 1.0
"""What the packages of storages take to start, and the requests of a run beside its pictures."""

CPU_SECONDS_A_ROW = 0.0002
"""What Beam and the writing of rows take for a picture, beside loading and the network."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """What a run would find, take and cost.

    Attributes:
        pictures: listed, a path that is listed twice counts twice; of archives, and of spans that
            were not listed, an estimate.
        archives: listed.
        opened: archives whose beginning was read.
        skipped: files of folders that are no input.
        unlisted: what could not be listed, each a failure of the run.
        spans: parts into which listings are split.
        spans_listed: of them, those that were listed.
        listing_seconds: how long the listing took.
        sampled: pictures tried.
        failures_by_reason: of the sample.
        encoded_bytes: of the sample's readable files together.
        wall_seconds: for the sample, on this machine, all cores at work.
        cpu_seconds: for the sample, summed over cores.
        start_cpu_seconds: of a run beside its pictures.
        output_bytes: of the sample's rows in the chosen format.
        cores: that this machine lends to the run.
        needs: what the run asks of services.
        bills: what that costs, the chosen machine on Dataflow first.
        prices: the table by which.
        options: what was asked for.
    """

    pictures: Range
    archives: int
    opened: int
    skipped: int
    unlisted: int
    spans: int
    spans_listed: int
    listing_seconds: float
    sampled: int
    failures_by_reason: dict[str, int]
    encoded_bytes: int
    wall_seconds: float
    cpu_seconds: float
    start_cpu_seconds: float
    output_bytes: int
    cores: int
    needs: Needs
    bills: Sequence[Bill]
    prices: Prices
    options: PlanOptions

    @property
    def entries(self) -> int:
        """Pictures to expect."""
        return round(self.pictures.expected)

    @property
    def failures(self) -> int:
        """Failures to expect: the sample's share of all entries."""
        return round(self.entries * sum(self.failures_by_reason.values()) / self.sampled)

    @property
    def pictures_per_second(self) -> float:
        """On this machine, once it runs."""
        return self.sampled / self.wall_seconds

    @property
    def hours_here(self) -> float:
        """For all entries on this machine."""
        return (SECONDS_TO_START + self.entries / self.pictures_per_second) / 3600

    @property
    def total_output_bytes(self) -> int:
        """Of all rows."""
        return round(self.entries * self.output_bytes / self.sampled)

    def as_dict(self) -> dict[str, Any]:
        """Measurements and estimates, for programs."""
        left_out = ("needs", "bills", "prices", "options", "pictures")
        measured = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if field.name not in left_out
        }
        needs = {
            "cpu_hours": self.needs.cpu_hours._asdict(),
            "requests": {
                "class_a": _by_storage(self.needs.class_a),
                "class_b": _by_storage(self.needs.class_b),
            },
            "read_bytes": _by_storage(self.needs.read_bytes),
        }
        return {
            "entries": self.entries,
            "pictures": self.pictures._asdict(),
            **measured,
            "expected_failures": self.failures,
            "pictures_per_second": self.pictures_per_second,
            "hours_here": self.hours_here,
            "total_output_bytes": self.total_output_bytes,
            "needs": needs,
            "prices": {
                "date": self.prices.date,
                "source": self.prices.source,
                "region": self.prices.region,
                "currency": self.prices.currency,
                "changed_by": self.options.prices,
            },
            "vcpu_hours": self.needs.cpu_hours.expected,
            "cost": self.bills[0].total.expected,
            "bills": [bill.as_dict() for bill in self.bills],
        }


def _by_storage(values: Mapping[str, Range]) -> dict[str, Any]:
    return {storage: value._asdict() for storage, value in values.items()}


def plan(options: PlanOptions) -> Plan:
    """Lists the inputs, tries a sample of them, and adds up.

    Args:
        options: what to plan.

    Raises:
        UserError: an input matches nothing, or the model or the prices cannot be had.
    """
    prices = _prices(options)
    options.label.use_for_storage()
    network = load_network(
        options.label.model,
        sha256=options.label.sha256,
        hints=options.label.hints,
        pictures=options.label.inputs[0],
    )
    start = time.perf_counter()
    sample = take_sample(options.label)
    listing_seconds = time.perf_counter() - start
    trial = _try(sample.items, network, options.label)
    output_bytes = _written_bytes(trial.predictions, format=options.label.format)
    needs = _needs(sample, trial, row_bytes=output_bytes / len(sample.items))
    return Plan(
        pictures=sample.pictures,
        archives=sample.archives,
        opened=sample.opened,
        skipped=sample.skipped,
        unlisted=sample.unlisted,
        spans=sample.spans,
        spans_listed=sample.listed,
        listing_seconds=listing_seconds,
        sampled=len(sample.items),
        failures_by_reason=dict(sorted(trial.reasons.items())),
        encoded_bytes=sum(trial.sizes),
        wall_seconds=trial.wall_seconds,
        cpu_seconds=trial.cpu_seconds,
        start_cpu_seconds=_start(sample),
        output_bytes=output_bytes,
        cores=cores(),
        needs=needs,
        bills=list(bills(needs, prices, options)),
        prices=prices,
        options=options,
    )


def _prices(options: PlanOptions) -> Prices:
    """The table, before anything else is read: a typing error should not cost a listing."""
    prices = load_prices(options.prices)
    prices.machine(options.machine_type)
    if options.price is None:
        return prices
    return dataclasses.replace(prices, dataflow=prices.dataflow._replace(vcpu_hour=options.price))


def bills(needs: Needs, prices: Prices, options: PlanOptions) -> Iterator[Bill]:
    """What that costs: every machine of the table under every offer, the chosen one first."""
    for machine in dict.fromkeys([options.machine_type, *prices.machines]):
        for offer in OFFERS:
            found = bill(
                needs,
                prices,
                machine_type=machine,
                offer=offer,
                max_workers=options.max_workers,
                bucket_in=options.bucket_in,
            )
            if found is not None:
                yield found


def _needs(sample: Sample, trial: _Trial, *, row_bytes: float) -> Needs:
    """What all pictures take if they are like the sample."""
    a_picture = mean_of(trial.sizes)
    # Work grows with the bytes of a picture: how well these are known, it is.
    known = a_picture.times(1 / a_picture.expected) if a_picture.expected else Range(1, 1, 1)
    seconds = known.times(trial.cpu_seconds / len(sample.items)).plus(_each(CPU_SECONDS_A_ROW))
    cpu = sample.pictures.times(seconds).plus(_each(_start(sample))).times(1 / 3600)
    share = sample.pictures.times(1 / max(sample.pictures.expected, 1))
    asked: dict[str, list[Asked]] = {}
    read: dict[str, Range] = {}
    for name, stored in sample.stored.items():
        if name != "local":
            asked[name] = [reading(stored.scaled(of)) for of in share]
            read[name] = share.times(stored.bytes).plus(a_picture.times(stored.unsized))
    output = _output(sample.stored)
    if output is not None:
        written = [
            writing(rows, row_bytes=row_bytes, worker_hours=hours)
            for rows, hours in zip(sample.pictures, cpu, strict=True)
        ]
        before = asked.get(output, [Asked()] * 3)
        asked[output] = [one.plus(two) for one, two in zip(before, written, strict=True)]
    return Needs(
        pictures=sample.pictures,
        cpu_hours=cpu,
        class_a={name: Range(*(each.class_a for each in three)) for name, three in asked.items()},
        class_b={name: Range(*(each.class_b for each in three)) for name, three in asked.items()},
        read_bytes=read,
    )


def _start(sample: Sample) -> float:
    is_remote = any(name != "local" for name in sample.stored)
    return _CPU_SECONDS_TO_START + _CPU_SECONDS_OF_CLOUD * is_remote


def _output(stored: Mapping[str, Stored]) -> str | None:
    """Where the rows go: beside the pictures, and of a web server's to Cloud Storage."""
    remote = [name for name in stored if name != "local"]
    buckets = [name for name in remote if name != "http"]
    return buckets[0] if buckets else "gs" if remote else None


def _each(value: float) -> Range:
    return Range(value, value, value)


@dataclasses.dataclass(frozen=True)
class _Trial:
    predictions: list[Prediction]
    reasons: collections.Counter[str]
    sizes: list[int]
    wall_seconds: float
    cpu_seconds: float


def _try(sample: Sequence[Sampled], network: Network, options: LabelOptions) -> _Trial:
    """The work of a run without Beam: a pool decodes while this thread runs the network."""
    how = options.preprocessing(size=network.input_size, columns=network.input_columns)
    loader = Loader(how, options.kernel)
    handler = model_handler(network, options.scoring(None), kernel=options.kernel)
    model = handler.load_model()
    black = np.zeros((*network.input_shape, 3), np.uint8)
    blank = Image(ImageRef(""), "", 1, 1, "", black)
    # The first pass prepares the interpreter; one view is enough for that.
    model_handler(network).run_inference([blank], model)
    # Nor do the first pictures count: formats load their decoders, storage its client.
    warm = _started(sample[:_WARM], loader)
    while warm:
        warm.pop()
    # Both: the one tells the time here, the other what machines with other cores would take.
    wall, cpu = time.perf_counter(), time.process_time()
    results: list[Prediction | Failure] = [item for item in sample if isinstance(item, Failure)]
    ahead = _started(sample, loader)
    while ahead:
        batch = [image for _ in range(min(len(ahead), BATCH_SIZE)) for image in ahead.pop()]
        results += [result for result in batch if isinstance(result, Failure)]
        images = [result for result in batch if isinstance(result, Image)]
        results += handler.run_inference(images, model) if images else []
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return _Trial(
        [result for result in results if isinstance(result, Prediction)],
        collections.Counter(result.reason for result in results if isinstance(result, Failure)),
        [result.size or 0 for result in results if isinstance(result, Prediction)],
        wall,
        cpu,
    )


def _started(sample: Sequence[Sampled], loader: Loader) -> Ahead[Image | Failure]:
    """All of the pictures, on their way."""
    pool, ahead = LoaderPool(), Ahead[Image | Failure]()
    for item in sample:
        if isinstance(item, Member):
            ahead.append(pool.submit_member(loader, item))
        elif not isinstance(item, Failure):
            ahead.append(pool.submit(loader, [item]))
    return ahead


def _written_bytes(rows: Sequence[Prediction], *, format: str) -> int:
    """Bytes of the rows as one shard."""
    if not rows:
        return 0
    file = io.BytesIO()
    with encoded(file, format=format) as stream:
        writer = FORMATS[format](stream)
        writer.write(prediction_table(rows))
        writer.close()
    return len(file.getvalue())
