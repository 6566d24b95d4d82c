"""Where to look, and for what. Imports nothing heavy: `--help` prints the defaults."""

from __future__ import annotations

import dataclasses

from pipeline.console.checks import require, require_run
from pipeline.export.targets import TARGETS
from pipeline.labels.options import LabelKind, require_flags, require_labels


@dataclasses.dataclass(frozen=True, kw_only=True)
class DuplicatesOptions:
    """Which run to search, and what counts as alike.

    Attributes:
        folder: of a finished run.
        threshold: cosine of two feature vectors from which on two pictures count as nearly the
            same, above 0 and at most 1; see docs/commands/duplicates.md.

    Raises:
        UsageError: a value that cannot work.
    """

    folder: str
    threshold: float = 0.95

    def __post_init__(self) -> None:
        """Checks the values; touches no file."""
        require_run(self.folder)
        expected = "a cosine above 0 and at most 1"
        require(0 < self.threshold <= 1, "--threshold", expected, self.threshold)


@dataclasses.dataclass(frozen=True, kw_only=True)
class SearchOptions:
    """Where to search, and for what.

    Attributes:
        folder: of a finished run.
        like: path or uri of a picture; it need not be in the run.
        k: results, 1 or more.
        model: where the model is now, if not where the run had it from.
        labels: as in `pipeline.run.folder.own_labels.own_labels`.

    Raises:
        UsageError: a value that cannot work.
    """

    folder: str
    like: str
    k: int = 20
    model: str | None = None
    labels: LabelKind | None = None

    def __post_init__(self) -> None:
        """Checks the values; touches no file."""
        require_run(self.folder)
        require(self.like != "", "--like", "a picture", self.like)
        require(self.k >= 1, "-k", "a number of results from 1 on", self.k)
        require(self.model != "", "--model", "a model", self.model)
        require_labels(self.labels)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReviewOptions:
    """From which run, how many, and for whom.

    Attributes:
        folder: of a finished run.
        budget: pictures that will be labelled, 1 or more.
        to: targets of `quantlabel export` that the pictures are written for.
        answered: files with answers of earlier rounds, as `--truth` takes them; what they name is
            passed over.
        copy_pictures: whether members of archives are written out as files.
        labels: as in `SearchOptions`.
        flags: only pictures with one of these, see `pipeline.labels.flags`; none for all.

    Raises:
        UsageError: a value that cannot work.
    """

    folder: str
    budget: int = 500
    to: tuple[str, ...] = ("label-studio",)
    answered: tuple[str, ...] = ()
    copy_pictures: bool = False
    labels: LabelKind | None = None
    flags: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Checks the values; touches no file."""
        require_run(self.folder)
        require(self.budget >= 1, "--budget", "a number of pictures from 1", self.budget)
        for to in self.to:
            require(to in TARGETS, "--to", f"one of {', '.join(TARGETS)}", to)
        require("" not in self.answered, "--answered", "a file with answers", "")
        require_labels(self.labels)
        require_flags(self.flags)

    @property
    def round(self) -> int:
        """Which round of review this is, from 1."""
        return 1 + len(self.answered)
