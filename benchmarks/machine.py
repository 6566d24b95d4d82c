"""The machine that was measured, as far as it explains the numbers."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from transforms.kernel import installed

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

INSTRUCTIONS = ("sse4_2", "avx2", "bmi2", "avx512f", "avx512_vnni", "avx_vnni", "asimd", "asimddp")
"""Those that decide how fast decoders and networks are, as Linux spells them."""


def describe() -> dict[str, Any]:
    """Processor, instructions, kernel, cores, memory, system, packages, load before the start."""
    return {
        "measured": datetime.now(UTC).isoformat(timespec="seconds"),
        "processor": _field("model name") or platform.processor() or platform.machine(),
        "instructions": _instructions(),
        "kernel": installed(),
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
        f"{machine['processor']} ({' '.join(machine['instructions']) or 'instructions unknown'}), "
        f"{machine['cores']} cores, {machine['memory_gb']} GB, kernel {machine['kernel']}, "
        f"Python {machine['python']}; load before the start {machine['load_before']}"
    )


def _field(name: str) -> str:
    """What Linux says of the first core; `platform` does not look there."""
    info = Path("/proc/cpuinfo")
    text = info.read_text() if info.is_file() else ""
    found = re.search(rf"^{name}\s*: (.+)$", text, re.MULTILINE)
    return found[1] if found else ""


def _instructions() -> list[str]:
    has = {*_field("flags").split(), *_field("Features").split()}
    return [name for name in INSTRUCTIONS if name in has]


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
