from __future__ import annotations

import functools
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from transforms.ahead import Ahead, InFlight

WAIT_SECONDS = 20


class _Works:
    """Works that note which thread does them; those that are `held` wait to be let go."""

    def __init__(self, *, held: str = "") -> None:
        self.done_by: list[tuple[str, str]] = []
        self.go_on = threading.Event()
        self._held = held

    def do(self, name: str) -> list[str]:
        self.done_by.append((name, threading.current_thread().name))
        if name in self._held:
            assert self.go_on.wait(WAIT_SECONDS)
        elif name == "b":
            self.go_on.set()
        return [name, name.upper()]


def _in_flight(works: _Works, names: str, *, threads: int, idle: bool = False) -> Ahead[str]:
    pool, ahead = ThreadPoolExecutor(threads, "pool"), Ahead[str]()
    for name in names:
        ahead.append(InFlight(pool, functools.partial(works.do, name), idle=idle))
    return ahead


def _popped(ahead: Ahead[str]) -> str:
    names = ""
    while ahead:
        name, upper = ahead.pop()
        assert upper == name.upper()
        names += name
    return names


def test_whoever_waits_for_the_oldest_does_the_newest_ones() -> None:
    # The only thread of the pool holds `a` until somebody else has done `b`, the last one left.
    works = _Works(held="a")
    ahead = _in_flight(works, "abcde", threads=1)
    while not works.done_by:
        pass
    assert _popped(ahead) == "abcde"
    here = threading.current_thread().name
    assert works.done_by == [("a", "pool_0"), *((name, here) for name in "edcb")]


def test_each_work_is_done_once_and_comes_in_order() -> None:
    names = "".join(chr(ord("a") + number % 26) for number in range(500))
    works = _Works()
    assert _popped(_in_flight(works, names, threads=3)) == names
    assert sorted(name for name, _ in works.done_by) == sorted(names)


def test_what_waits_for_a_network_stays_with_the_pool() -> None:
    works = _Works()
    assert _popped(_in_flight(works, "abcdefgh", threads=2, idle=True)) == "abcdefgh"
    assert {thread.split("_")[0] for _, thread in works.done_by} == {"pool"}


def test_what_is_in_flight_is_counted() -> None:
    works, pool, ahead = _Works(held="a"), ThreadPoolExecutor(1, "pool"), Ahead[str]()
    for name in "abc":
        ahead.append(InFlight(pool, functools.partial(works.do, name), count=2, size=10))
    while not works.done_by:
        pass
    assert (len(ahead), ahead.count, ahead.bytes) == (3, 6, 30)
    works.go_on.set()
    ahead.pop()
    assert (len(ahead), ahead.count, ahead.bytes) == (2, 4, 20)


def test_what_is_forgotten_is_never_done() -> None:
    works, pool, ahead = _Works(held="a"), ThreadPoolExecutor(1, "pool"), Ahead[str]()
    for name in "abc":
        ahead.append(InFlight(pool, functools.partial(works.do, name), count=2, size=10))
    while not works.done_by:
        pass
    ahead.clear()
    works.go_on.set()
    pool.shutdown()
    assert (len(ahead), ahead.count, ahead.bytes) == (0, 0, 0)
    assert works.done_by == [("a", "pool_0")]


def test_an_error_reaches_whoever_asks() -> None:
    def fails() -> list[str]:
        raise PermissionError("no credentials")

    ahead: Ahead[str] = Ahead()
    ahead.append(InFlight(ThreadPoolExecutor(1), fails))
    with pytest.raises(PermissionError, match="no credentials"):
        ahead.pop()
