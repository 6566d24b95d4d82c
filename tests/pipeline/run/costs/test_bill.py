from __future__ import annotations

import dataclasses

import pytest

from pipeline.run.costs.bill import Bill, Needs, bill
from pipeline.run.costs.prices import Assumed, Prices, Range, load_prices
from transforms.errors import UsageError


def _each(value: float) -> Range:
    return Range(value, value, value)


_SURE = Assumed(
    vcpu_seconds=Range(1, 2, 4),
    busy=Range(1, 0.5, 0.25),
    seconds_to_start=Range(0, 360, 720),
    repeated=Range(0, 0, 0.5),
    shuffle_bytes=Range(0, 50, 100),
    spot=Range(0.1, 0.5, 0.5),
    hours_a_worker=0.25,
    disk_gb=10,
)
PRICES = dataclasses.replace(load_prices(), assumed=_SURE)
FORTY_MILLION = Needs(
    pictures=_each(40_000_000),
    cpu_hours=_each(25),
    class_a={"gs": _each(40_000)},
    class_b={"gs": _each(40_000_000)},
    read_bytes={"gs": _each(4_400e9)},
)


def _bill(prices: Prices = PRICES, needs: Needs = FORTY_MILLION, **changed: object) -> Bill:
    options = {
        "machine_type": "e2-standard-2",
        "offer": "dataflow",
        "max_workers": 50,
        "bucket_in": "continent",
    }
    found = bill(needs, prices, **{**options, **changed})  # type: ignore[arg-type]
    assert found is not None
    return found


def test_every_cost_is_a_line() -> None:
    found = _bill()
    assert {line.name: line.cost for line in found.lines} == {
        "listing, writing": pytest.approx((0.2, 0.2, 0.3)),  # 40 thousand x 0.005
        "reading": pytest.approx((16, 16, 24)),  # 40 million / 1,000 x 0.0004
        "processors": pytest.approx((1.4, 2.8, 5.6)),  # 25, 50, 100 vCPU h x 0.056
        "memory": pytest.approx((0.3557, 0.7114, 1.4228)),  # 100, 200, 400 GB h x 0.003557
        "disk": pytest.approx((0.00675, 0.0135, 0.027)),  # 125, 250, 500 GB h x 0.000054
        "shuffle": pytest.approx((0, 0.022, 0.044)),  # 0, 2, 4 GB x 0.011
        "traffic": pytest.approx((88, 88, 88)),  # 4,400 GB x 0.02
        # 0; 25 h of waiting and 50 x 0.1 h; 150 h and 50 x 0.2 h: of 0.140996 each.
        "starting, idle": pytest.approx((0, 30 * 0.140996, 160 * 0.140996)),
    }
    assert found.total.expected == pytest.approx(
        0.2 + 16 + 2.8 + 0.7114 + 0.0135 + 0.022 + 88 + 30 * 0.140996
    )
    assert found.workers == _each(50)
    assert found.hours == pytest.approx((0.25, 1.1, 4.2))
    assert found.lines[1].how == "40,000,000 gs B / 1,000 x 0.0004"


def test_little_work_starts_few_workers() -> None:
    few = dataclasses.replace(FORTY_MILLION, cpu_hours=Range(0, 0.3, 1))
    assert _bill(needs=few).workers == Range(1, 2, 8)  # 0, 0.3 and 2 machine hours


def test_flexrs_and_own_machines_are_hired_otherwise() -> None:
    flexrs = {line.name: line.cost.expected for line in _bill(offer="flexrs").lines}
    assert flexrs["processors"] == pytest.approx(50 * 0.0336)
    assert flexrs["memory"] == pytest.approx(200 * 0.0021342)
    own = {line.name: line.cost.expected for line in _bill(offer="own").lines}
    assert own["machines"] == pytest.approx(25 * 0.06701)
    assert own["starting, idle"] == pytest.approx(30 * (0.06701 + 0.00054))
    assert own.keys() & {"processors", "memory", "shuffle"} == set()
    spot = {line.name: line.cost for line in _bill(offer="spot").lines}
    assert spot["machines"] == pytest.approx((1.25 * 0.06701, 12.5 * 0.06701, 25 * 0.06701))


def test_a_machine_without_a_price_has_no_bill_but_on_dataflow() -> None:
    options = {"machine_type": "n1-standard-4", "max_workers": 1, "bucket_in": "region"}
    assert bill(FORTY_MILLION, PRICES, offer="own", **options) is None  # type: ignore[arg-type]
    assert _bill(machine_type="n1-standard-4").total.expected > 0
    with pytest.raises(UsageError, match="--machine-type"):
        _bill(machine_type="big")


def test_storages_have_their_own_prices() -> None:
    needs = dataclasses.replace(
        FORTY_MILLION,
        class_b={"s3": _each(1_000), "http": _each(5_000), "hdfs": _each(7)},
        class_a={},
        read_bytes={"s3": _each(10e9), "http": _each(1e12)},
    )
    lines = {line.name: line for line in _bill(needs=needs, bucket_in="region").lines}
    assert lines["reading"].cost == pytest.approx((0.0004, 0.0004, 0.0006))
    assert lines["reading"].how == "1,000 s3 B / 1,000 x 0.0004; 5,000 http, free of charge"
    assert lines["traffic"].cost == pytest.approx((0.9, 0.9, 0.9))
    assert lines["listing, writing"].how == "no requests: files of this machine"


def test_within_the_region_traffic_is_free() -> None:
    (traffic,) = (line for line in _bill(bucket_in="region").lines if line.name == "traffic")
    assert traffic == ("traffic", (0, 0, 0), "4,400.00 GB x 0, bucket in: region")


def test_json_has_all_of_it() -> None:
    found = _bill().as_dict()
    assert found["total"]["expected"] == pytest.approx(sum(x["expected"] for x in found["lines"]))
    assert (found["machine_type"], found["offer"]) == ("e2-standard-2", "dataflow")
