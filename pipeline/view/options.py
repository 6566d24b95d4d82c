"""What to show, and where. Imports nothing heavy: `--help` prints the defaults."""

from __future__ import annotations

import dataclasses

from pipeline.console.checks import require, require_run

_MOST_PORT = 65_535


@dataclasses.dataclass(frozen=True, kw_only=True)
class ViewOptions:
    """What to show, and where.

    Attributes:
        folder: of a finished run, local or remote.
        port: of 127.0.0.1 to listen at; 0 for one that is free.
        open: whether the browser opens the page.
        model: where the model is now, if not where the run had it from; a search by a picture
            needs it.

    Raises:
        UsageError: a value that cannot work.
    """

    folder: str
    port: int = 0
    open: bool = False
    model: str | None = None

    def __post_init__(self) -> None:
        """Checks the values; touches no file."""
        require_run(self.folder)
        require(0 <= self.port <= _MOST_PORT, "--port", "a port, 0 to 65535", self.port)
        require(self.model != "", "--model", "a model", self.model)
