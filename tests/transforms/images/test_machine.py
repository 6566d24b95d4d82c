"""What a container lends to a process, read from the files of control groups, made here."""

from __future__ import annotations

from pathlib import Path

import pytest

from transforms.images.machine import cores, default_budget, machine_bytes

_MB = 1024 * 1024


def _machine_bytes(folder: Path, *, groups: str, limits: dict[str, str]) -> int:
    (folder / "proc/self").mkdir(parents=True)
    (folder / "proc/self/cgroup").write_text(groups)
    for name, limit in limits.items():
        file = folder / "groups" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(limit + "\n")
    return machine_bytes(proc=folder / "proc", groups=folder / "groups")


@pytest.mark.parametrize(
    ("groups", "limits"),
    [
        ("0::/\n", {"memory.max": f"{64 * _MB}"}),
        ("0::/a/b\n", {"a/b/memory.max": f"{64 * _MB}", "a/memory.max": "max"}),
        ("0::/a/b\n", {"a/b/memory.max": "max", "a/memory.max": f"{64 * _MB}"}),
        ("0::/a/b\n", {"a/b/memory.max": f"{64 * _MB}", "a/memory.max": f"{65 * _MB}"}),
        ("0::/of/the/host\n", {"memory.max": f"{64 * _MB}"}),
        (
            "9:cpu,cpuacct:/x\n4:memory:/d\n1:name=systemd:/\n",
            {"memory/d/memory.limit_in_bytes": f"{64 * _MB}", "x/memory.max": "1"},
        ),
        (
            "4:memory:/docker/1\n0::/docker/1\n",  # both versions, and a path of the host
            {"memory/memory.limit_in_bytes": f"{64 * _MB}"},
        ),
    ],
)
def test_the_smallest_limit_of_all_groups_counts(
    tmp_path: Path, groups: str, limits: dict[str, str]
) -> None:
    assert _machine_bytes(tmp_path, groups=groups, limits=limits) == 64 * _MB


@pytest.mark.parametrize(
    ("groups", "limits"),
    [
        ("0::/\n", {}),
        ("0::/\n", {"memory.max": "max"}),
        ("4:memory:/\n", {"memory/memory.limit_in_bytes": "9223372036854771712"}),
    ],
)
def test_without_a_limit_it_is_the_memory_of_the_machine(
    tmp_path: Path, groups: str, limits: dict[str, str]
) -> None:
    lines = Path("/proc/meminfo").read_text().splitlines()
    total = next(int(line.split()[1]) for line in lines if line.startswith("MemTotal"))
    assert _machine_bytes(tmp_path, groups=groups, limits=limits) == total * 1024


def test_a_system_without_control_groups_has_its_memory(tmp_path: Path) -> None:
    assert machine_bytes(proc=tmp_path, groups=tmp_path) > 64 * _MB


def test_processes_divide_half_of_the_memory() -> None:
    assert default_budget(1) == machine_bytes() // 2
    assert default_budget(4) == machine_bytes() // 8
    assert default_budget(None) == machine_bytes() // 2 // cores()
