from __future__ import annotations

import functools
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from transforms.images.loader_pool import Ahead, InFlight
from transforms.records import Failure, Image, ImageRef

WAIT_SECONDS = 20


def _image(name: str) -> Image:
    return Image(ImageRef(name), "", 1, 1, "JPEG", np.zeros((1, 1, 3), np.uint8))


class _Works:
    """Pictures that note which thread loads them; those that are `held` wait to be let go."""

    def __init__(self, *, held: str = "") -> None:
        self.loaded_by: list[tuple[str, str]] = []
        self.go_on = threading.Event()
        self._held = held

    def load(self, name: str) -> Image | Failure:
        self.loaded_by.append((name, threading.current_thread().name))
        if name in self._held:
            assert self.go_on.wait(WAIT_SECONDS)
        elif name == "b":
            self.go_on.set()
        return _image(name)


def _in_flight(works: _Works, names: str, *, threads: int, idle: bool = False) -> Ahead:
    pool, ahead = ThreadPoolExecutor(threads, "pool"), Ahead()
    for name in names:
        ahead.append(InFlight(pool, functools.partial(works.load, name), idle=idle))
    return ahead


def _popped(ahead: Ahead) -> str:
    names = ""
    while ahead:
        result = ahead.pop()
        assert isinstance(result, Image)
        names += result.ref.uri
    return names


def test_whoever_waits_for_the_oldest_loads_the_newest_ones() -> None:
    # The only thread of the pool holds `a` until somebody else has loaded `b`, the last one left.
    works = _Works(held="a")
    ahead = _in_flight(works, "abcde", threads=1)
    while not works.loaded_by:
        pass
    assert _popped(ahead) == "abcde"
    here = threading.current_thread().name
    assert works.loaded_by == [("a", "pool_0"), *((name, here) for name in "edcb")]


def test_each_picture_is_loaded_once_and_comes_in_order() -> None:
    names = "".join(chr(ord("a") + number % 26) for number in range(500))
    works = _Works()
    assert _popped(_in_flight(works, names, threads=3)) == names
    assert sorted(name for name, _ in works.loaded_by) == sorted(names)


def test_what_waits_for_a_network_stays_with_the_pool() -> None:
    works = _Works()
    assert _popped(_in_flight(works, "abcdefgh", threads=2, idle=True)) == "abcdefgh"
    assert {thread.split("_")[0] for _, thread in works.loaded_by} == {"pool"}


def test_the_bytes_in_flight_are_counted() -> None:
    works, pool, ahead = _Works(held="a"), ThreadPoolExecutor(1, "pool"), Ahead()
    for name in "abc":
        ahead.append(InFlight(pool, functools.partial(works.load, name), size=10))
    while not works.loaded_by:
        pass
    assert (len(ahead), ahead.bytes) == (3, 30)
    works.go_on.set()
    ahead.pop()
    assert (len(ahead), ahead.bytes) == (2, 20)


def test_what_is_forgotten_is_never_loaded() -> None:
    works, pool, ahead = _Works(held="a"), ThreadPoolExecutor(1, "pool"), Ahead()
    for name in "abc":
        ahead.append(InFlight(pool, functools.partial(works.load, name), size=10))
    while not works.loaded_by:
        pass
    ahead.clear()
    works.go_on.set()
    pool.shutdown()
    assert (len(ahead), ahead.bytes) == (0, 0)
    assert works.loaded_by == [("a", "pool_0")]


def test_an_error_reaches_whoever_asks() -> None:
    def fails() -> Image | Failure:
        raise PermissionError("no credentials")

    ahead = Ahead()
    ahead.append(InFlight(ThreadPoolExecutor(1), fails))
    with pytest.raises(PermissionError, match="no credentials"):
        ahead.pop()
