"""What an operating system said to a library that words it in its own way."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator

from transforms.errors import UserError, one_line

_NUMBER = re.compile(r"\[errno (\d+)\]|\(os error (\d+)\)", re.IGNORECASE)
"""As pyarrow and Lance cite it."""


@contextlib.contextmanager
def disk_errors(folder: str) -> Iterator[None]:
    """Names the folder in what goes wrong with files, which neither library does.

    Raises:
        UserError: nothing more can be written there.
    """
    try:
        yield
    except OSError as error:
        found = _NUMBER.search(str(error))
        as_cited = os.strerror(int(found[1] or found[2])) if found else error.strerror
        raise UserError(f"{folder}: {as_cited or one_line(str(error))}") from error
