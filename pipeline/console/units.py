"""Quantities as people read them."""

from __future__ import annotations


def byte_size(count: int) -> str:
    """Bytes in the decimal unit that leaves the fewest digits, kB at least: `1.5 MB`."""
    for unit, size in (("GB", 1e9), ("MB", 1e6)):
        if count >= size:
            return f"{count / size:,.1f} {unit}"
    return f"{count / 1e3:,.1f} kB"


def pictures(count: int) -> str:
    """How many pictures there are: `1 picture`, `1,234 pictures`."""
    return f"{count:,} picture{'' if count == 1 else 's'}"
