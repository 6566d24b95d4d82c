from __future__ import annotations

import datetime
import os
from pathlib import Path

import pytest

from pipeline.run.costs.prices import Machine, Range, Requests, load_prices
from transforms.errors import UsageError


def test_our_table_has_a_date_and_a_source() -> None:
    prices = load_prices()
    assert datetime.date.fromisoformat(prices.date) >= datetime.date(2026, 1, 1)
    assert prices.source
    assert prices.requests["gs"] == Requests(0.005, 0.0004)
    assert prices.dataflow.vcpu_hour == 0.056
    assert prices.machine("e2-standard-2") == Machine(2, 8, "x86", 0.06701)
    assert prices.assumed.vcpu_seconds == Range(0.8, 1.0, 2.0)


def test_a_file_replaces_what_it_has(tmp_path: Path) -> None:
    path = tmp_path / "ours.toml"
    path.write_text(
        'date = "2027-02-03"\n[dataflow]\nvcpu_hour = 1\n[requests.gs]\nclass_b = 2\n'
        '[machines.ours]\nvcpus = 3\nmemory_gb = 5\nprocessor = "ARM"\n'
        "[assumed]\nbusy = [1, 0.5, 0.25]\n"
    )
    prices, ours = load_prices(str(path)), load_prices()
    assert prices.date == "2027-02-03"
    assert prices.currency == ours.currency
    assert prices.dataflow == ours.dataflow._replace(vcpu_hour=1)
    assert prices.requests["gs"] == Requests(0.005, 2)
    assert prices.machine("ours") == Machine(3, 5, "ARM", None)
    assert prices.assumed.busy == Range(1, 0.5, 0.25)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("n1-highmem-16", Machine(16, 128, "x86")),
        ("c4a-highcpu-4", Machine(4, 4, "ARM")),
        ("custom-2-4096", Machine(2, 4, "x86")),
        ("n2-custom-6-3072", Machine(6, 3, "x86")),
    ],
)
def test_many_names_say_what_they_have(name: str, expected: Machine) -> None:
    assert load_prices().machine(name) == expected


@pytest.mark.parametrize("name", ["big", "e2-standard-0", "e2-micro", "custom-2-4096-x"])
def test_others_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match=r"--machine-type: expected a name such as e2-standard-2"):
        load_prices().machine(name)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"[dataflow]\nvcpu_huor = 1", "dataflow.vcpu_huor: no such key, did you mean vcpu_hour?"),
        (b"dataflow = 1", "dataflow: expected Dataflow, found 1"),
        (b"[dataflow]\nvcpu_hour = -1", "dataflow.vcpu_hour: expected 0 or more, found -1"),
        (b"[dataflow]\nvcpu_hour = nan", "dataflow.vcpu_hour: expected 0 or more, found nan"),
        (b"[dataflow]\nvcpu_hour = true", "dataflow.vcpu_hour: expected float, found True"),
        (b"[machines.x]\nvcpus = 2", "machines.x.memory_gb is missing"),
        (b"[machines.x]\nram = 2", "machines.x.ram: no such key"),
        (b"[machines.e2-standard-2]\nvcpus = 0", "machines.e2-standard-2: expected vcpus and"),
        (b"[assumed]\nbusy = [1, 2]", "assumed.busy: expected [low, expected, high], found [1, 2]"),
        (b"[assumed]\nbusy = [0, 0, 0]", "assumed.busy: expected three shares up to 1"),
        (b"[assumed]\nspot = [2, 1, 3]", "assumed.spot: expected [low, expected, high]"),
        (b"[assumed]\nhours_a_worker = 0", "assumed.hours_a_worker: expected more than 0"),
        (b"date = 2026-01-01", "date: expected str, found datetime.date(2026, 1, 1)"),
        (b"x", "Expected '=' after a key"),
        (b"\xff", "can't decode byte 0xff"),
        (b"a = " + b"[" * 5000, ""),
    ],
)
def test_a_mistake_in_a_file_is_one_line(tmp_path: Path, content: bytes, expected: str) -> None:
    path = tmp_path / "ours.toml"
    path.write_bytes(content)
    with pytest.raises(UsageError) as raised:
        load_prices(str(path))
    assert expected in str(raised.value)
    assert str(raised.value).startswith(f"--prices {path}: ")
    assert "\n" not in str(raised.value)


def test_a_file_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--prices .*/no\.toml: No such file or directory"):
        load_prices(str(tmp_path / "no.toml"))


def test_a_pipe_is_no_table(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.toml")
    with pytest.raises(UsageError, match=r"--prices .*/pipe\.toml: not a regular file"):
        load_prices(str(tmp_path / "pipe.toml"))


def test_ranges_are_multiplied_and_added_each_by_each() -> None:
    assert Range(1, 2, 3).times(Range(4, 5, 6)) == (4, 10, 18)
    assert Range(1, 2, 3).times(2) == (2, 4, 6)
    assert Range(1, 2, 3).plus(Range(1, 1, 1)) == (2, 3, 4)
