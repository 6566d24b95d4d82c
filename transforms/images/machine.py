"""What this machine, or the container on it, lends to a process: processors and memory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

# Half of the memory: the rest is for the programs themselves, rows on their way, and others.
_SHARE = 2

# Taken for the machine's memory where the system does not tell it.
_UNKNOWN_BYTES = 4 * 1024**3


def default_budget(processes: int | None = None) -> int:
    """Bytes that the pictures of one process may take if nobody says how many.

    Args:
        processes: that share the machine or container. None: one for each processor.
    """
    return machine_bytes() // _SHARE // (processes or cores())


def machine_bytes(*, proc: Path = Path("/proc"), groups: Path = Path("/sys/fs/cgroup")) -> int:
    """Memory of the machine, or of the container (cgroup, version 1 or 2) if that has less.

    Args:
        proc: where the system says which control groups this process is in.
        groups: where the control groups are.
    """
    return min([_physical_bytes(), *_limits(proc / "self/cgroup", groups)])


def _physical_bytes() -> int:
    if not hasattr(os, "sysconf"):
        return _UNKNOWN_BYTES
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _limits(membership: Path, groups: Path) -> Iterator[int]:
    """The limits of all groups that this process is in; a parent's limit counts for its children.

    A line is `number:controllers:/path`, in version 2 without controllers, see cgroups(7). In a
    container the path may be one of the host, which cannot be seen: then its end counts.
    """
    try:
        lines = membership.read_text().splitlines()
    except OSError:  # not Linux
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            root, name = groups, "memory.max"
        elif "memory" in controllers.split(","):
            root, name = groups / "memory", "memory.limit_in_bytes"
        else:
            continue
        group = root / path.lstrip("/")
        for folder in (group, *group.parents):
            if folder.is_relative_to(root):
                yield from _limit(folder / name)


def _limit(file: Path) -> Iterator[int]:
    try:
        text = file.read_text().strip()
    except OSError:  # the root has none, or it is another system's
        return
    if text.isdecimal():  # and not "max"
        yield int(text)


def cores() -> int:
    """Processors that this process may use, at least 1."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
