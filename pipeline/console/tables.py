"""Where tables are printed."""

from __future__ import annotations

import os
import re
import sys
from typing import Any, TextIO, cast

from rich.console import Console
from rich.text import Text

from transforms.errors import printable

# Columns: wider than any row.
_UNWRAPPED = 100_000


def output() -> Console:
    """Standard output: as wide as the terminal; elsewhere rows are not wrapped and not padded.

    COLUMNS, where it is set, says how wide it shall be.
    """
    if sys.stdout.isatty() or "COLUMNS" in os.environ:
        return _Console(emoji=False)
    return _Console(file=cast(TextIO, _Unpadded()), width=_UNWRAPPED, emoji=False)


# What a terminal obeys, and what turns the order of letters around. Lines of ours may be several.
_OBEYED = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


class _Console(Console):
    """A console on which names of files and labels are only text, whatever is in them."""

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(_OBEYED.sub(lambda found: printable(found[0]), text), **options)


class _Unpadded:
    """Standard output without the spaces with which Rich fills up the lines of tables."""

    def write(self, text: str) -> int:
        return sys.stdout.write(re.sub(r" +$", "", text, flags=re.MULTILINE))

    def flush(self) -> None:
        sys.stdout.flush()
