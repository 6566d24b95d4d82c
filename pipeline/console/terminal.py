"""What reaches the terminal during a run: this program's own words and nothing else."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import TextIO


@contextlib.contextmanager
def only_ours(*, verbose: bool) -> Iterator[TextIO]:
    """Silences file descriptor 2 for native libraries and worker processes.

    LiteRT announces its delegate there and libtiff every oddity of a damaged picture, and neither
    has a switch for it. What Python itself has to say of an error comes after the body.

    Args:
        verbose: leave everything as it is.

    Yields:
        A stream to the real standard error.
    """
    if verbose:
        yield sys.stderr
        return
    sys.stderr.flush()
    # By the number, not by `sys.stderr`: libraries in C and child processes know nothing else.
    saved = os.dup(2)
    try:
        with open(os.devnull, "wb") as nothing:
            os.dup2(nothing.fileno(), 2)
        with os.fdopen(os.dup(saved), "w", encoding=sys.stderr.encoding, errors="replace") as ours:
            yield ours
    finally:
        os.dup2(saved, 2)
        os.close(saved)
