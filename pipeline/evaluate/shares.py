"""Shares with intervals."""

from __future__ import annotations

import math
from typing import Any


def share(hits: int, of: int) -> dict[str, Any]:
    """A share with its 95 % confidence interval, as plain values."""
    low, high = wilson(hits, of)
    return {"hits": hits, "of": of, "share": hits / of, "low": low, "high": high}


def wilson(hits: int, of: int) -> tuple[float, float]:
    """The 95 % confidence interval of a share, Wilson (1927): good for few rows, near 0 and 1."""
    # 95 % of a normal distribution lie within so many standard deviations.
    z = 1.959964
    share, spread = hits / of, z * z / of
    middle = share + spread / 2
    half = z * math.sqrt(share * (1 - share) / of + spread / of / 4)
    low, high = (middle - half) / (1 + spread), (middle + half) / (1 + spread)
    return max(low, 0.0), min(high, 1.0)  # rounding leaves -1e-17 where nothing is right
