"""Where tables are printed."""

from __future__ import annotations

import os
import re
import sys
from typing import TextIO, cast

from rich.console import Console

# Columns: wider than any row.
_UNWRAPPED = 100_000


def output() -> Console:
    """Standard output: as wide as the terminal; elsewhere rows are not wrapped and not padded.

    COLUMNS, where it is set, says how wide it shall be.
    """
    if sys.stdout.isatty() or "COLUMNS" in os.environ:
        return Console()
    return Console(file=cast(TextIO, _Unpadded()), width=_UNWRAPPED)


class _Unpadded:
    """Standard output without the spaces with which Rich fills up the lines of tables."""

    def write(self, text: str) -> int:
        return sys.stdout.write(re.sub(r" +$", "", text, flags=re.MULTILINE))

    def flush(self) -> None:
        sys.stdout.flush()
