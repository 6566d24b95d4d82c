"""One command run to its end: wall time, processor time, and peak memory of its process tree.

Memory is PSS, where pages that n processes share count 1/n in each, so that the sum over a tree is
what the tree takes. It is read from /proc/PID/smaps_rollup up to 10 times a second, and less often
where reading takes long, so that it never costs a measured program more than 2 % of one core.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import resource
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from transforms.errors import UserError

_INTERVAL_S = 0.1
_SHARE = 0.02
_TIMEOUT_S = 3600.0
_GRACE_S = 10.0
_PROC = Path("/proc")


@dataclasses.dataclass(frozen=True)
class Finished:
    """What a command cost.

    Attributes:
        seconds: wall time from start to exit.
        cpu_seconds: user and system time of the process and of those children that were waited for.
        peak_bytes: largest sum of PSS over the process tree; None where there is no /proc.
    """

    seconds: float
    cpu_seconds: float
    peak_bytes: int | None


class Sample(NamedTuple):
    """A process tree at one moment.

    Attributes:
        seconds: since the start.
        bytes: sum of PSS.
        files: open file descriptors.
        threads: of all its processes.
    """

    seconds: float
    bytes: int
    files: int
    threads: int


def run(
    command: Sequence[str],
    *,
    log: Path,
    env: Mapping[str, str],
    samples: list[Sample] | None = None,
) -> Finished:
    """Runs a command, its output going to a file, and waits until all its processes are gone.

    Args:
        command: program and arguments.
        log: file for standard output and standard error.
        env: variables added to those of this process.
        samples: a list that is to get all samples, in order; nothing where there is no /proc.

    Raises:
        UserError: it failed, or was stopped after an hour.
    """
    cpu = _children_cpu()
    with log.open("wb") as stream:
        start = time.perf_counter()
        process = subprocess.Popen(
            command, stdout=stream, stderr=subprocess.STDOUT, env={**os.environ, **env}
        )
        tree = _Tree(process.pid, samples)
        watch = threading.Thread(target=tree.watch, daemon=True)
        watch.start()
        try:
            status = process.wait()
            seconds = time.perf_counter() - start
        finally:
            tree.ended.set()
            watch.join()
            tree.clear_away()
    if status:
        raise UserError(f"{' '.join(command)}: exit status {status}.\n{_tail(log)}\n(from {log})")
    return Finished(seconds, _children_cpu() - cpu, tree.peak_bytes)


class _Tree:
    """A process and its descendants, also those that outlive it."""

    def __init__(self, root: int, samples: list[Sample] | None) -> None:
        self.ended = threading.Event()
        self.peak_bytes: int | None = None
        self._members = {root: _started(root)}
        self._strangers: set[int] = set()
        self._samples = samples
        self._start = time.monotonic()

    def watch(self) -> None:
        """Samples until `ended` is set."""
        deadline = time.monotonic() + _TIMEOUT_S
        pause = 0.0
        while not self.ended.wait(pause):
            start = time.thread_time()
            self._sample()
            pause = max(_INTERVAL_S, (time.thread_time() - start) / _SHARE)
            if time.monotonic() > deadline:
                self._kill()

    def clear_away(self) -> None:
        """Waits for what is left of the tree, then ends it: the next command runs alone."""
        deadline = time.monotonic() + _GRACE_S
        while self._alive() and time.monotonic() < deadline:
            time.sleep(0.05)
        self._kill()

    def _sample(self) -> None:
        self._adopt()
        sizes = [pss_bytes(pid) for pid in self._members]
        known = [size for size in sizes if size is not None]
        if known:
            self.peak_bytes = max(self.peak_bytes or 0, sum(known))
        if known and self._samples is not None:
            files, threads = sum(map(_files, self._members)), sum(map(_threads, self._members))
            passed = time.monotonic() - self._start
            self._samples.append(Sample(passed, sum(known), files, threads))

    def _adopt(self) -> None:
        """Looks at each process once, when it is new; a parent's number is mostly the lower one."""
        for pid in sorted(_pids() - self._members.keys() - self._strangers):
            if parent(pid) in self._members:
                self._members[pid] = _started(pid)
            else:
                self._strangers.add(pid)

    def _alive(self) -> list[int]:
        """Members that still run; a number that a later process got does not count."""
        return [pid for pid, began in self._members.items() if began and began == _started(pid)]

    def _kill(self) -> None:
        for pid in self._alive():
            with contextlib.suppress(ProcessLookupError):  # it ended just now
                os.kill(pid, signal.SIGKILL)


def _pids() -> set[int]:
    if not _PROC.is_dir():
        return set()
    return {int(name) for name in os.listdir(_PROC) if name.isdecimal()}


def parent(pid: int) -> int | None:
    """The parent of a process; None if it has gone or is a zombie."""
    fields = _status(pid)
    return None if fields is None else int(fields[1])


def descendants(pid: int) -> list[int]:
    """Children of a process, and theirs, that still run."""
    children = [each for each in sorted(_pids()) if parent(each) == pid]
    return [*children, *(each for child in children for each in descendants(child))]


def _started(pid: int) -> str | None:
    """When a process began, in ticks since the machine did; None as for `parent`."""
    fields = _status(pid)
    return None if fields is None else fields[19]


def _status(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat from the third on, see proc_pid_stat(5)."""
    try:
        text = (_PROC / str(pid) / "stat").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The second, a name in parentheses, may itself hold parentheses and spaces.
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else fields


def pss_bytes(pid: int) -> int | None:
    """Memory of a process, its share of shared pages included; None if it has gone."""
    try:
        text = (_PROC / str(pid) / "smaps_rollup").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    found = re.search(r"^Pss: +(\d+) kB$", text, re.MULTILINE)
    return int(found[1]) * 1024 if found else None


def _files(pid: int) -> int:
    """Open file descriptors of a process; 0 if it has gone."""
    try:
        return len(os.listdir(_PROC / str(pid) / "fd"))
    except (FileNotFoundError, ProcessLookupError):
        return 0


def _threads(pid: int) -> int:
    """Threads of a process; 0 if it has gone."""
    fields = _status(pid)
    return 0 if fields is None else int(fields[17])


def _children_cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _tail(log: Path, *, lines: int = 20) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
