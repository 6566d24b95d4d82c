"""What reaches a terminal or notebook during a run: this program's own words, nothing else."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import Console


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


def progress_console(stderr: TextIO | None = None) -> Console:
    """Where progress and notes go: standard error, in a notebook too.

    Args:
        stderr: as `only_ours` has it; None for that of this process.
    """
    from rich.console import Console

    if in_notebook():
        # As a file: Rich would want ipywidgets, and kernels ask for the colours of a terminal.
        return Console(file=sys.stderr, force_jupyter=False, force_terminal=False)
    return Console(file=stderr, stderr=stderr is None)


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook."""
    ipython = sys.modules.get("IPython")  # a kernel has imported it
    return ipython is not None and hasattr(ipython.get_ipython(), "kernel")
