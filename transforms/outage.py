"""Hosts that do not answer: found out once for all pictures, waited for, and given up at last.

An object that cannot be had costs its own picture a minute. Where a whole storage is out, every
picture would pay that minute and become a failure. So a process counts what fails in a row on each
host. From then on one request now and then finds out whether the host is back, all others wait, and
what they wait does not count as their own time. After ten minutes the run stops; its rows are kept.
"""

from __future__ import annotations

import contextlib
import errno
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from transforms.errors import FinalError, StorageOutError, one_line

FAILURES, FAILING_S, OBJECTS = 10, 10.0, 10
"""A host is out once so many requests have failed in a row, for so long, for so many objects: one
object that is broken is none of its host's faults, however often it is asked for."""

PROBE_S = 10.0
"""Between two requests to a host that is out."""

OUT_S = 600.0
"""How long a host may be out before the run stops."""

FIRST_DELAY_S, MAX_DELAY_S = 0.5, 10.0
"""Before the second attempt; each later one waits twice as long, up to the most."""

_LOOK_S = 1.0
_MOST_QUIET_S = 600.0
"""For how long it is believed that a host wants to be asked later."""

_OTHERS_S = 60.0
_LEFT_OUT = 100
"""Pictures that a web server may cost which has never answered, where no other answers either."""

_MOST_HOSTS = 1000
"""Kept in mind; what is known of others is forgotten."""

_T = TypeVar("_T")


class Clock:
    """Time as everything here takes it, so that tests need not wait."""

    def now(self) -> float:
        """Seconds since some moment."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Waits."""
        time.sleep(seconds)


CLOCK = Clock()


class QuietError(FinalError):
    """The host is not asked now."""


class _Web:
    """What the web servers of this process have answered, all together."""

    answers = 0
    last = float("-inf")


_lock = threading.Lock()


class Host:
    """What a process knows of a host. Any number of threads may use it.

    A web server may be one of thousands in a list. One that has given less than half of the
    answers of all is left alone while others answer: its pictures fail, and the run goes on.

    Args:
        name: for messages.
        is_web: whether it is a web server rather than a cloud's storage.
    """

    def __init__(self, name: str, *, is_web: bool = False) -> None:
        self._name = name
        self._is_web = is_web
        self._answers = 0
        self._failures = 0
        self._objects: set[str] = set()
        self._since = self._failed_at = self._probed_at = self._quiet_until = 0.0
        self._said = ""
        self._left_out = 0
        self._ended = False

    def answered(self) -> None:
        """Notes an answer, which may be a refusal."""
        with _lock:
            self._answers += 1
            self._failures = 0
            self._objects.clear()
            if self._is_web:
                _Web.answers += 1
                _Web.last = CLOCK.now()

    def failed(self, path: str, error: OSError) -> None:
        """Notes that there was no answer, or that it was the host's own trouble."""
        with _lock:
            self._failed_at = self._probed_at = CLOCK.now()
            if not self._failures:
                self._since = self._failed_at
            self._failures += 1
            if len(self._objects) < OBJECTS:
                self._objects.add(path)
            self._said = one_line(error.strerror or str(error))

    def quiet_for(self, seconds: float) -> None:
        """Notes for how long the host wants to be asked nothing."""
        with _lock:
            until = CLOCK.now() + min(seconds, _MOST_QUIET_S)
            self._quiet_until = max(self._quiet_until, until)

    def end(self) -> None:
        """Nobody wants its answers any more: whoever waits need not."""
        self._ended = True

    def is_awaited(self) -> bool:
        """Whether it is out, and worth waiting for."""
        with _lock:
            return self._is_out() and not self._is_left_alone()

    def wait(self, deadline: float) -> bool:
        """Returns when the host may be asked.

        Args:
            deadline: of whoever asks. If the host wants to be asked later than that, it is out.

        Returns:
            Whether it was out until now: then the time of whoever asks begins anew.

        Raises:
            QuietError: it is left alone.
            StorageOutError: it has been out for too long.
        """
        with _lock:
            quiet_s = self._quiet_until - CLOCK.now()
            is_out = self._is_out() or self._quiet_until >= deadline
        if not is_out:
            if quiet_s > 0:
                CLOCK.sleep(quiet_s)
            return False
        while not self._admits():
            CLOCK.sleep(_LOOK_S)
        return True

    def _admits(self) -> bool:
        """Whether the one who asks may send a request now: all of them, or one now and then."""
        with _lock:
            now = CLOCK.now()
            if self._ended:
                raise QuietError(errno.EIO, "the run has ended")
            if self._quiet_until <= now:
                if not self._failures:
                    return True
                if now - self._probed_at >= PROBE_S:
                    self._probed_at = now
                    return True
            if self._is_left_alone():
                self._left_out += 1
                raise QuietError(errno.EIO, self._why_left_alone(now))
            if self._failures and now - self._since >= OUT_S:
                raise StorageOutError(
                    f"storage is out: {self._name} has failed {self._failures} times in a row, for "
                    f"{(now - self._since) / 60:.0f} minutes ({self._said}). Go on when it answers"
                )
            return False

    def _is_out(self) -> bool:
        lasts = self._failures >= FAILURES and self._failed_at - self._since >= FAILING_S
        return lasts and (len(self._objects) >= OBJECTS or self._is_left_alone())

    def _is_left_alone(self) -> bool:
        if not self._is_web or 2 * self._answers >= max(_Web.answers, 1):
            return False
        now = CLOCK.now()
        others_answer = _Web.last > max(self._since, now - _OTHERS_S)
        return others_answer or (not self._answers and self._left_out < _LEFT_OUT)

    def _why_left_alone(self, now: float) -> str:
        if self._quiet_until > now:
            return "the server wants to be asked later (Retry-After)"
        return f"the host has failed {self._failures} times in a row, and is left alone now"


_hosts: dict[tuple[int, str], Host] = {}


def host(name: str, *, is_web: bool = False) -> Host:
    """What this process knows of a host; the arguments are those of `Host`."""
    key = os.getpid(), name  # a forked process finds out for itself
    with _lock:
        found = _hosts.pop(key, None) or Host(name, is_web=is_web)
        _hosts[key] = found  # the last one to be forgotten
        if len(_hosts) > _MOST_HOSTS:
            del _hosts[next(iter(_hosts))]
    return found


def release() -> None:
    """Ends all waiting in this process and forgets its hosts, when a run ends.

    Threads that wait for an answer which nobody wants would keep the process from ending.
    """
    with _lock:
        for each in _hosts.values():
            each.end()
        _hosts.clear()
        _Web.answers, _Web.last = 0, float("-inf")


class Try:
    """The attempts at one object, and the time that they may take.

    Args:
        path: of the object.
        patience_s: from the first attempt to the last error, while its host is not out.

    Attributes:
        deadline: by `Clock.now`.
    """

    def __init__(self, path: str, patience_s: float) -> None:
        self._path = path
        self._patience_s = patience_s
        self._host: Host | None = None
        self.deadline = CLOCK.now() + patience_s

    @property
    def left_s(self) -> float:
        """Seconds until the deadline, a tenth at least."""
        return max(self.deadline - CLOCK.now(), 0.1)

    @property
    def is_over(self) -> bool:
        """Whether the deadline has passed."""
        return CLOCK.now() > self.deadline

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """What the body takes is not the time of whoever asks: it waits for room in memory."""
        began = CLOCK.now()
        yield
        self.deadline += CLOCK.now() - began

    @property
    def is_awaited(self) -> bool:
        """Whether the host that was asked last is out, and worth waiting for."""
        return self._host is not None and self._host.is_awaited()

    @contextlib.contextmanager
    def asking(self, host: Host) -> Iterator[None]:
        """Waits until a host may be asked, and notes whether it answers in the body.

        Raises:
            OSError: as the body does; QuietError where the host is left alone.
            StorageOutError: the host has been out for too long.
        """
        self._host = host
        if host.wait(self.deadline):
            self.deadline = CLOCK.now() + self._patience_s
        try:
            yield
        except FinalError:
            raise
        except (ConnectionError, TimeoutError) as error:
            host.failed(self._path, error)
            raise
        except OSError:
            host.answered()
            raise
        host.answered()


def attempts(path: str, attempt: Callable[[Try], _T], *, patience_s: float) -> _T:
    """Calls `attempt` until it succeeds or its time is over; what may pass is tried again.

    Args:
        path: of what is asked for.
        attempt: asks for it, within `Try.asking`.
        patience_s: as in `Try`.

    Raises:
        OSError: as the attempt does.
        StorageOutError: see `Host.wait`.
    """
    each = Try(path, patience_s)
    delay_s = FIRST_DELAY_S
    while True:
        try:
            return attempt(each)
        except FinalError:
            raise
        except (ConnectionError, TimeoutError):
            wait_s = delay_s * random.uniform(0.5, 1.0)
            if CLOCK.now() + wait_s >= each.deadline and not each.is_awaited:
                raise
        CLOCK.sleep(wait_s)
        delay_s = min(2 * delay_s, MAX_DELAY_S)


def persistently(action: Callable[[], _T]) -> _T:
    """Does what has to be done, however often the storage fails, for as long as one may be out.

    Raises:
        OSError: as the action does, when that is over or at once if it cannot pass.
    """
    until = CLOCK.now() + OUT_S
    while True:
        try:
            return action()
        except (ConnectionError, TimeoutError):
            if CLOCK.now() + PROBE_S >= until:
                raise
        CLOCK.sleep(PROBE_S)
