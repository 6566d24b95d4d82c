"""Text in CSV files that spreadsheets open: what begins like a formula is not run as one.

A label such as `=HYPERLINK(...)` comes with somebody's data and would be run on the machine of
whoever opens the table. The characters are those of OWASP's page on CSV injection; spreadsheets
pass over white space before them, and East Asian ones read the full-width forms alike.
"""

from __future__ import annotations

import re

# Apostrophes are counted in, so that text which has some already comes back with as many.
_FORMULA = re.compile(r"'*\s*[\t\r\n=+\-@\uff1d\uff0b\uff0d\uff20]")

_MARK = "'"


def harmless(text: str) -> str:
    """The text as a cell: with an apostrophe before it, if it begins like a formula."""
    return _MARK + text if _FORMULA.match(text) else text


def from_cell(cell: str) -> str:
    """The text that `harmless` was given."""
    return cell[1:] if cell.startswith(_MARK) and _FORMULA.match(cell) else cell
