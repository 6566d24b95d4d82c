"""The machine that was measured, as far as it explains the numbers."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

PACKAGES = (
    "quantlabel",
    "apache-beam",
    "ai-edge-litert",
    "daft",
    "numpy",
    "pillow",
    "pyarrow",
    "ray",
    "simplejpeg",
    "tensorflow",
)


def describe() -> dict[str, Any]:
    """Processor, cores, memory in GB, system, Python, package versions, load before the start."""
    return {
        "measured": datetime.now(UTC).isoformat(timespec="seconds"),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "packages": {name: version for name in PACKAGES if (version := _version(name))},
        "load_before": round(os.getloadavg()[0], 2),
    }


def one_line(machine: dict[str, Any]) -> str:
    """The description for people, without the packages."""
    return (
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gb']} GB, "
        f"Python {machine['python']}; load before the start {machine['load_before']}"
    )


def _processor() -> str:
    """Linux names it in /proc/cpuinfo, and `platform` does not look there."""
    info = Path("/proc/cpuinfo")
    text = info.read_text() if info.is_file() else ""
    found = re.search(r"^model name\s*: (.+)$", text, re.MULTILINE)
    return found[1] if found else platform.processor() or platform.machine()


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
