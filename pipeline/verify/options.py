"""What to verify. Imports nothing heavy: `--help` prints the defaults."""

from __future__ import annotations

import dataclasses

from pipeline.console.checks import require, require_run


@dataclasses.dataclass(frozen=True, kw_only=True)
class VerifyOptions:
    """What to verify.

    Attributes:
        folder: the output folder of a run.
        sample: pictures to label again and compare.
        inputs: whether to list the run's inputs again.
        model: where the model is now, if not where the run had it from.

    Raises:
        UsageError: a value that cannot work.
    """

    folder: str
    sample: int = 50
    inputs: bool = True
    model: str | None = None

    def __post_init__(self) -> None:
        """Checks every value; touches no file."""
        require_run(self.folder)
        require(self.sample >= 0, "--sample", "0 or more pictures", self.sample)
