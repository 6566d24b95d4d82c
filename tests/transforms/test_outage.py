from __future__ import annotations

import errno
from collections.abc import Callable, Iterator

import pytest

from tests.helpers.clock import FakeClock
from transforms import outage
from transforms.errors import StorageOutError
from transforms.outage import Host, QuietError, Try, attempts, persistently


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeClock]:
    """A process that knows no host, and a clock that only sleep moves."""
    outage.release()
    made = FakeClock()
    monkeypatch.setattr(outage, "CLOCK", made)
    yield made
    outage.release()


def _down(*_: object) -> bytes:
    raise ConnectionError(errno.EIO, "refused")


def _missing(*_: object) -> bytes:
    raise FileNotFoundError(errno.ENOENT, "no such object")


def _denied(*_: object) -> bytes:
    raise PermissionError(errno.EACCES, "denied")


def _asks(host: Host, path: str, answer: Callable[[], bytes]) -> bytes:
    def attempt(each: Try) -> bytes:
        with each.asking(host):
            return answer()

    return attempts(path, attempt, patience_s=60)


def _fail(host: Host, *, count: int, over_s: float, clock: FakeClock) -> None:
    """So many objects fail, one after the other."""
    for number in range(count):
        host.failed(f"gs://bkt/{number}", ConnectionError(errno.EIO, "refused"))
        if number < count - 1:
            clock.sleep(over_s / (count - 1))


def test_one_object_that_is_broken_costs_itself_a_minute(clock: FakeClock) -> None:
    host = outage.host("gs")
    for _ in range(3):  # thirty failures in a row
        began = clock.now()
        with pytest.raises(ConnectionError, match="refused"):
            _asks(host, "gs://bkt/a", _down)
        assert 40 < clock.now() - began <= 60
    assert _asks(host, "gs://bkt/b", lambda: b"b") == b"b"


@pytest.mark.parametrize("refuse", [_missing, _denied])
def test_what_a_living_host_refuses_never_counts(
    clock: FakeClock, refuse: Callable[[], bytes]
) -> None:
    host = outage.host("gs")
    for number in range(100):
        with pytest.raises(OSError, match=r"no such object|denied"):
            _asks(host, f"gs://bkt/{number}", refuse)
        clock.sleep(1)
    assert not host.is_awaited()
    _fail(host, count=9, over_s=60, clock=clock)
    with pytest.raises(OSError, match=r"no such object|denied"):
        _asks(host, "gs://bkt/x", refuse)  # and it ends a row of failures
    _fail(host, count=9, over_s=60, clock=clock)
    assert not host.is_awaited()


@pytest.mark.parametrize(
    ("count", "over_s", "is_out"), [(10, 11, True), (9, 60, False), (10, 9, False)]
)
def test_a_host_is_out_after_ten_objects_in_ten_seconds(
    clock: FakeClock, count: int, over_s: float, is_out: bool
) -> None:
    host = outage.host("gs")
    _fail(host, count=count, over_s=over_s, clock=clock)
    assert host.is_awaited() is is_out


def test_who_waits_for_a_host_loses_no_time_of_its_own(clock: FakeClock) -> None:
    host = outage.host("gs")
    _fail(host, count=10, over_s=11, clock=clock)
    began = clock.now()
    asked: list[float] = []

    def answer() -> bytes:
        asked.append(clock.now() - began)
        return b"a" if clock.now() > began + 500 else _down()

    assert _asks(host, "gs://bkt/a", answer) == b"a"
    assert 500 < asked[-1] < 520
    assert len(asked) < 60  # now and then
    assert not host.is_awaited()


def test_after_ten_minutes_the_run_stops(clock: FakeClock) -> None:
    host = outage.host("gs")
    _fail(host, count=10, over_s=11, clock=clock)
    began = clock.now()
    with pytest.raises(StorageOutError) as raised:
        _asks(host, "gs://bkt/a", _down)
    assert 580 < clock.now() - began <= 600
    assert str(raised.value).startswith("storage is out: gs has failed ")
    assert "times in a row, for 10 minutes (refused)" in str(raised.value)
    # A bundle that a service tries again asks once, now and then, and not for ten minutes more.
    began = clock.now()
    with pytest.raises(StorageOutError):
        _asks(host, "gs://bkt/a", _down)
    clock.sleep(20)
    assert _asks(host, "gs://bkt/a", lambda: b"a") == b"a"
    assert clock.now() - began < 40


def test_a_web_server_among_others_is_left_alone(clock: FakeClock) -> None:
    gone, well = (outage.host(name, is_web=True) for name in ("a.example", "b.example"))
    gone.answered()
    for _ in range(2):
        well.answered()
    _fail(gone, count=3, over_s=1, clock=clock)
    well.answered()
    began = clock.now()
    with pytest.raises(QuietError, match=r"has failed 1?[0-9] times in a row, and is left alone"):
        _asks(gone, "http://a.example/1", _down)
    assert clock.now() - began < 40  # seven waits, of which the last two take 5 to 10 s
    clock.sleep(10)
    assert _asks(gone, "http://a.example/2", lambda: b"a") == b"a"  # asked now and then


def test_the_only_web_server_is_waited_for(clock: FakeClock) -> None:
    host = outage.host("a.example", is_web=True)
    host.answered()
    _fail(host, count=10, over_s=11, clock=clock)
    assert host.is_awaited()
    with pytest.raises(StorageOutError, match=r"a\.example has failed"):
        _asks(host, "http://a.example/1", _down)


def test_a_web_server_that_never_answered_costs_a_hundred_pictures(clock: FakeClock) -> None:
    host = outage.host("a.example", is_web=True)
    _fail(host, count=10, over_s=11, clock=clock)
    for number in range(100):
        with pytest.raises(QuietError, match="left alone"):
            _asks(host, f"http://a.example/{number}", _down)
    with pytest.raises(StorageOutError):
        _asks(host, "http://a.example/100", _down)


def test_all_web_servers_at_once_are_the_network(clock: FakeClock) -> None:
    hosts = [outage.host(f"{number}.example", is_web=True) for number in range(5)]
    for host in hosts:
        host.answered()
    clock.sleep(100)
    for host in hosts:
        _fail(host, count=10, over_s=11, clock=clock)
    assert all(host.is_awaited() for host in hosts)


def test_who_waits_goes_home_when_the_run_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    outage.release()
    clock = FakeClock(after=lambda now: outage.release() if now > 1100 else None)
    monkeypatch.setattr(outage, "CLOCK", clock)
    host = outage.host("gs")
    _fail(host, count=10, over_s=11, clock=clock)
    with pytest.raises(QuietError, match="the run has ended"):
        _asks(host, "gs://bkt/a", _down)
    assert outage.host("gs") is not host


def test_rows_are_written_when_the_storage_is_back(clock: FakeClock) -> None:
    began = clock.now()
    assert persistently(lambda: _down() if clock.now() < began + 300 else b"a") == b"a"
    assert 300 <= clock.now() - began < 320
    with pytest.raises(ConnectionError, match="refused"):
        persistently(_down)
    began = clock.now()
    with pytest.raises(PermissionError):
        persistently(_denied)
    assert clock.now() == began
