"""`quantlabel plan`: what a run would do, find, take and cost, from a sample of its pictures."""

from __future__ import annotations

import collections
import dataclasses
import io
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipeline.console.units import byte_size
from pipeline.models.load import load_network
from pipeline.run.options import LabelOptions, PlanOptions
from pipeline.run.sample import Sampled, take_sample
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

# From the command to the first picture on a laptop: imports, graph, model. Measured 1 to 2 s.
_SECONDS_TO_START = 2.0


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a run would find and take.

    Attributes:
        entries: pictures listed, a path that is listed twice counts twice; of archives an estimate.
        archives: listed.
        opened: archives whose beginning was read.
        skipped: files of folders that are no input.
        unlisted: what could not be listed, each a failure of the run.
        listing_seconds: how long the listing took.
        sampled: pictures tried.
        failures_by_reason: of the sample.
        encoded_bytes: of the sample's readable files together.
        wall_seconds: for the sample, on this machine, all cores at work.
        cpu_seconds: for the sample, summed over cores.
        output_bytes: of the sample's rows in the chosen format.
        cores: that this machine lends to the run.
        price: of a vCPU-hour.
    """

    entries: int
    archives: int
    opened: int
    skipped: int
    unlisted: int
    listing_seconds: float
    sampled: int
    failures_by_reason: dict[str, int]
    encoded_bytes: int
    wall_seconds: float
    cpu_seconds: float
    output_bytes: int
    cores: int
    price: float

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
        return (_SECONDS_TO_START + self.entries / self.pictures_per_second) / 3600

    @property
    def vcpu_hours(self) -> float:
        """Processor time for all entries, at this machine's speed a core."""
        return self.entries * self.cpu_seconds / self.sampled / 3600

    @property
    def cost(self) -> float:
        """Of the processor time, in the currency of the price."""
        return self.vcpu_hours * self.price

    @property
    def total_output_bytes(self) -> int:
        """Of all rows."""
        return round(self.entries * self.output_bytes / self.sampled)

    def as_dict(self) -> dict[str, Any]:
        """Measurements and estimates, for programs."""
        return {
            **dataclasses.asdict(self),
            "expected_failures": self.failures,
            "pictures_per_second": self.pictures_per_second,
            "hours_here": self.hours_here,
            "vcpu_hours": self.vcpu_hours,
            "cost": self.cost,
            "total_output_bytes": self.total_output_bytes,
        }


def plan(options: PlanOptions) -> Plan:
    """Lists the inputs, tries a sample of them, and adds up.

    Args:
        options: what to plan.

    Raises:
        UserError: an input matches nothing, or the model cannot be had.
    """
    options.label.use_for_storage()
    network = load_network(
        options.label.model, sha256=options.label.sha256, hints=options.label.hints
    )
    start = time.perf_counter()
    sample = take_sample(options.label)
    listing_seconds = time.perf_counter() - start
    trial = _try(sample.items, network, options.label)
    return Plan(
        entries=sample.pictures,
        archives=sample.archives,
        opened=sample.opened,
        skipped=sample.skipped,
        unlisted=sample.unlisted,
        listing_seconds=listing_seconds,
        sampled=len(sample.items),
        failures_by_reason=dict(sorted(trial.reasons.items())),
        encoded_bytes=trial.encoded_bytes,
        wall_seconds=trial.wall_seconds,
        cpu_seconds=trial.cpu_seconds,
        output_bytes=_written_bytes(trial.predictions, format=options.label.format),
        cores=cores(),
        price=options.price,
    )


@dataclasses.dataclass(frozen=True)
class _Trial:
    predictions: list[Prediction]
    reasons: collections.Counter[str]
    encoded_bytes: int
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
        sum(result.size or 0 for result in results if isinstance(result, Prediction)),
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


def print_plan(found: Plan, *, console: Console) -> None:
    """Prints the plan as a table in which every estimate shows its arithmetic."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    table.add_column(justify="right")
    table.add_column(overflow="fold")
    for name, value, how in _lines(found):
        table.add_row(name, escape(value), escape(how))
    console.print(table)


def _lines(found: Plan) -> Iterator[tuple[str, str, str]]:
    n, sampled = f"{found.entries:,}", f"{found.sampled:,}"
    milliseconds = 1000 * found.cpu_seconds / found.sampled
    yield "pictures", n, f"listed in {found.listing_seconds:.1f} s; {found.skipped:,} files skipped"
    if found.archives:
        how = f"their pictures estimated from the size of {found.opened:,}"
        yield "archives", f"{found.archives:,}", how
    if found.unlisted:
        yield "not listed", f"{found.unlisted:,}", "folders or rows of lists; each is a failure"
    yield "tried", sampled, f"{found.encoded_bytes / found.sampled / 1000:,.0f} kB a picture"
    yield "failures", f"{found.failures:,}", _failure_arithmetic(found)
    yield (
        "output",
        byte_size(found.total_output_bytes),
        f"{n} x {found.output_bytes / found.sampled:,.0f} bytes a row",
    )
    yield (
        "time here",
        _duration(found.hours_here),
        f"{_SECONDS_TO_START:.0f} s + {n} / {found.pictures_per_second:,.0f} pictures/s on "
        f"{found.cores} cores",
    )
    yield (
        "processor time",
        f"{_number(found.vcpu_hours)} vCPU h",
        f"{n} x {milliseconds:.2f} ms / 3,600,000, at this machine's speed a core",
    )
    yield (
        "cost",
        _number(found.cost),
        f"{_number(found.vcpu_hours)} vCPU h x {found.price:g} (--price), without memory, disk and "
        "idle workers",
    )


def _failure_arithmetic(found: Plan) -> str:
    failed = sum(found.failures_by_reason.values())
    reasons = ", ".join(f"{n} {reason}" for reason, n in found.failures_by_reason.items())
    return f"{failed} of {found.sampled:,} tried" + (f": {reasons}" if reasons else "")


def _number(value: float) -> str:
    return f"{value:,.2f}" if value >= 0.01 else f"{value:.6f}"


def _duration(hours: float) -> str:
    seconds = round(hours * 3600)
    if seconds < 120:
        return f"{seconds} s"
    return f"{seconds / 60:,.0f} min" if seconds < 7200 else f"{hours:,.1f} h"
