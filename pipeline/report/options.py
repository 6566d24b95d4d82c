"""What to report on. Imports nothing heavy: `--help` prints the defaults."""

from __future__ import annotations

import dataclasses

from pipeline.console.checks import require, require_run
from pipeline.labels.options import LabelKind, require_labels


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReportOptions:
    """What to report on.

    Attributes:
        folder: of a finished run, local or remote.
        max_pictures: thumbnails at most; each makes the page about 8 kB larger. There are fewer
            where the page would have more than `pipeline.report.write.MOST_BYTES`.
        labels: as in `pipeline.run.folder.own_labels.own_labels`.
        uris: a table with `uri` or `file` of the pictures that are wanted; None for all.
        paths: whether the page may say where things are: else of pictures it has only the names,
            and no paths of settings and no messages of failures.

    Raises:
        UsageError: a value that cannot work.
    """

    folder: str
    max_pictures: int = 1000
    labels: LabelKind | None = None
    uris: str | None = None
    paths: bool = True

    def __post_init__(self) -> None:
        """Checks the values; touches no file."""
        require_run(self.folder)
        expected = "0 or a positive number"
        require(self.max_pictures >= 0, "--max-pictures", expected, self.max_pictures)
        require_labels(self.labels)
        require(self.uris != "", "--uris", "a table of pictures", self.uris)
