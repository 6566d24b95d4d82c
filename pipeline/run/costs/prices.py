"""The table of prices: ours, dated, and what a user's file puts in its place."""

from __future__ import annotations

import dataclasses
import importlib.resources
import re
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from pipeline.console.parser import did_you_mean
from pipeline.run.folder import typed_json
from transforms.errors import UsageError
from transforms.storage import local

_KNOWN = re.compile(r"[a-z][a-z0-9]*-(standard|highmem|highcpu)-([1-9][0-9]{0,2})")
_CUSTOM = re.compile(r"(?:[a-z][a-z0-9]*-)?custom-([1-9][0-9]{0,2})-([1-9][0-9]{2,6})")
# GB a vCPU, of most families.
_MEMORY = {"standard": 4.0, "highmem": 8.0, "highcpu": 1.0}
_ARM = ("t2a", "c4a", "n4a")


class Range(NamedTuple):
    """A figure that is not known exactly: what it may be at least, will likely be, and at most."""

    low: float
    expected: float
    high: float

    def times(self, other: Range | float) -> Range:
        """Each multiplied by its like."""
        other = other if isinstance(other, Range) else Range(other, other, other)
        return Range(*(one * two for one, two in zip(self, other, strict=True)))

    def plus(self, other: Range) -> Range:
        """Each added to its like."""
        return Range(*(one + two for one, two in zip(self, other, strict=True)))


class Requests(NamedTuple):
    """Of a storage, for a thousand requests."""

    class_a: float
    class_b: float


class Traffic(NamedTuple):
    """For a GB from the pictures' bucket to the workers, by where that is."""

    region: float
    continent: float
    elsewhere: float
    from_s3: float


class Dataflow(NamedTuple):
    """Of the service, for what its workers have and for an hour."""

    vcpu_hour: float
    memory_gb_hour: float
    flexrs_vcpu_hour: float
    flexrs_memory_gb_hour: float
    disk_gb_hour: float
    shuffle_gb: float


class Machine(NamedTuple):
    """A type of machine.

    Attributes:
        vcpus: processors of a worker.
        memory_gb: of a worker.
        processor: x86 or ARM.
        hour: price without Dataflow; None where the table does not say.
    """

    vcpus: int
    memory_gb: float
    processor: Literal["x86", "ARM"]
    hour: float | None = None


class Assumed(NamedTuple):
    """What nobody knows before a run; `prices.toml` says what each stands for."""

    vcpu_seconds: Range
    busy: Range
    seconds_to_start: Range
    repeated: Range
    shuffle_bytes: Range
    spot: Range
    hours_a_worker: float
    disk_gb: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Prices:
    """A whole table; attributes as in `prices.toml`."""

    date: str
    currency: str
    region: str
    source: str
    requests: Mapping[str, Requests]
    traffic: Traffic
    dataflow: Dataflow
    machines: Mapping[str, Machine]
    assumed: Assumed

    def machine(self, name: str) -> Machine:
        """A type of machine by its name: of the table, or read from a name that says what it has.

        Raises:
            UsageError: nobody knows what it has.
        """
        if name in self.machines:
            return self.machines[name]
        processor: Literal["x86", "ARM"] = "ARM" if name.startswith(_ARM) else "x86"
        if found := _KNOWN.fullmatch(name):
            vcpus = int(found[2])
            return Machine(vcpus, vcpus * _MEMORY[found[1]], processor)
        if found := _CUSTOM.fullmatch(name):
            return Machine(int(found[1]), int(found[2]) / 1024, processor)
        raise UsageError(
            f"--machine-type: expected a name such as {', '.join(list(self.machines)[:2])}, or one "
            f"that a file given as --prices describes, found {name!r}"
        )


def load_prices(path: str | None = None) -> Prices:
    """The table of this version, with the values that a file puts in their place.

    Args:
        path: TOML with some of the keys of `prices.toml`, on this machine, or None.

    Raises:
        UsageError: it cannot be read, or holds what the table does not.
    """
    ours = importlib.resources.files("pipeline.run.costs").joinpath("prices.toml")
    values = tomllib.loads(ours.read_text("utf-8"))
    if path is None:
        return typed_json.build(Prices, values)
    try:
        with local.open_read(path) as file:
            given = tomllib.load(file)
        merged = _merged(values, given, "")
        _require_amounts(merged, "")
        return _with_order(typed_json.build(Prices, merged))
    except OSError as error:
        raise UsageError(f"--prices {path}: {error.strerror}") from error
    except RecursionError as error:
        raise UsageError(f"--prices {path}: nested too deeply") from error
    except ValueError as error:  # of TOML, of its encoding, of a key or of its value
        raise UsageError(f"--prices {path}: {error}") from error


def _merged(ours: Mapping[str, Any], given: Mapping[str, Any], key: str) -> dict[str, Any]:
    merged = dict(ours)
    for name, value in given.items():
        # Machines have any names.
        is_new = key == "machines" and name not in ours
        if name not in ours and not is_new:
            raise ValueError(f"{_under(key, name)}: no such key{did_you_mean(name, ours)}")
        if is_new and isinstance(value, dict):
            _require_known(value, Machine._fields, _under(key, name))
        elif isinstance(value, dict) and isinstance(ours[name], dict):
            value = _merged(ours[name], value, _under(key, name))
        merged[name] = value
    return merged


def _require_known(given: Mapping[str, Any], known: Sequence[str], key: str) -> None:
    for name in given:
        if name not in known:
            raise ValueError(f"{_under(key, name)}: no such key{did_you_mean(name, known)}")


def _under(key: str, name: str) -> str:
    return f"{key}.{name}" if key else name


def _require_amounts(value: Any, key: str) -> None:
    for name, inner in value.items() if isinstance(value, dict) else ():
        _require_amounts(inner, _under(key, name))
    for number in value if isinstance(value, list) else [value]:
        is_number = isinstance(number, (int, float)) and not isinstance(number, bool)
        if is_number and not 0 <= number < 1e12:
            raise ValueError(f"{key}: expected 0 or more, found {number}")
    if isinstance(value, list) and len(value) != len(Range._fields):
        raise ValueError(f"{key}: expected [low, expected, high], found {value}")


def _with_order(prices: Prices) -> Prices:
    """Refuses what nothing can be divided by, or a low figure above its high one."""
    assumed = prices.assumed
    for name, value in assumed._asdict().items():
        if isinstance(value, Range) and name != "busy" and not value.low <= value[1] <= value.high:
            raise ValueError(f"assumed.{name}: expected [low, expected, high], found {list(value)}")
    if not 0 < assumed.busy.high <= assumed.busy.expected <= assumed.busy.low <= 1:
        raise ValueError("assumed.busy: expected three shares up to 1, the largest first")
    if assumed.hours_a_worker <= 0:
        raise ValueError("assumed.hours_a_worker: expected more than 0")
    for name, machine in prices.machines.items():
        if not (machine.vcpus and machine.memory_gb):
            raise ValueError(f"machines.{name}: expected vcpus and memory_gb above 0")
    return prices
