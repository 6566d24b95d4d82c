"""Which answers are the truth, which labels are meant. Imports nothing heavy: `--help` needs it."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence
from typing import Literal

from pipeline.console.checks import require, require_truth
from transforms.flags import Flags

Disagreement = Literal["leave-out", "majority"]
DISAGREEMENT: tuple[Disagreement, ...] = ("leave-out", "majority")
"""What becomes of a picture over which people differ; a majority is more than half."""

LabelKind = Literal["network", "mapped", "head"]
LABEL_KINDS: tuple[LabelKind, ...] = ("network", "mapped", "head")
"""The labels that a run may have: of its classes, of its label map, and of `head apply`."""


ANY_FLAG = "any"
NO_FLAG = "none"
FLAGS = (*Flags._fields, ANY_FLAG, NO_FLAG)
"""What `--flag` may be."""


def require_flags(values: Sequence[str]) -> None:
    """Checks the values of `--flag`.

    Raises:
        UsageError: one is none.
    """
    for value in values:
        require(value in FLAGS, "--flag", f"one of {', '.join(FLAGS)}", value)


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds `--flag`, which pictures of a run with `--quality` are wanted."""
    parser.add_argument(
        "--flag",
        action="append",
        default=[],
        metavar="FLAG",
        help="only pictures with this flag of label --quality, may be given several times: "
        f"{', '.join(Flags._fields)}; {ANY_FLAG}; or {NO_FLAG}, those without any",
    )


def require_labels(value: str | None) -> None:
    """Checks the value of `--labels`; None is for the default.

    Raises:
        UsageError: it is none.
    """
    known = value in (None, *LABEL_KINDS)
    require(known, "--labels", f"one of {', '.join(LABEL_KINDS)}", value)


def add_labels(
    parser: argparse.ArgumentParser,
    *,
    default: str = "those of a head that was applied, else of the label map, else network",
) -> None:
    """Adds `--labels`.

    Args:
        parser: of the command.
        default: which are meant without it, for people.
    """
    parser.add_argument(
        "--labels",
        metavar="KIND",
        help=f"network, mapped (of --label-map) or head (of head apply); default: {default}",
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class TruthOptions:
    """Where the truth is, and how it is read.

    Attributes:
        truth: `folders`, or the path of a file or several, as
            `pipeline.labels.answers.read.read_answers` reads them.
        truth_column: the column, control or field that people filled in; None to find it.
        disagreement: what becomes of a picture over which people differ.

    Raises:
        UsageError: a value that cannot work.
    """

    truth: str | Sequence[str]
    truth_column: str | None = None
    disagreement: Disagreement = "leave-out"

    def __post_init__(self) -> None:
        """Checks the values; touches no file."""
        require(len(self.truths) > 0, "--truth", "a table or the word folders", self.truth)
        for truth in self.truths:
            require_truth(truth)
        known = self.disagreement in DISAGREEMENT
        require(known, "--disagreement", f"one of {', '.join(DISAGREEMENT)}", self.disagreement)
        require(self.truth_column != "", "--truth-column", "a column", self.truth_column)

    @property
    def truths(self) -> tuple[str, ...]:
        """One or several."""
        return (self.truth,) if isinstance(self.truth, str) else tuple(self.truth)

    @property
    def named(self) -> str:
        """All of them, for people."""
        return ", ".join(self.truths)


def add_truth(parser: argparse.ArgumentParser, *, says: str) -> None:
    """Adds `--truth`, `--truth-column` and `--disagreement`.

    Args:
        parser: of the command.
        says: what the columns of a table and the folders tell.
    """
    parser.add_argument("--truth", required=True, action="append", metavar="FILE", help=says)
    parser.add_argument(
        "--truth-column",
        metavar="NAME",
        help="the column that people filled in, or control of Label Studio, or field of FiftyOne; "
        "default: choice, or else class_id, synset and label of a table without guesses of ours",
    )
    parser.add_argument(
        "--disagreement",
        metavar="HOW",
        default=TruthOptions.disagreement,
        help="leave-out or majority: pictures over which people differ (default: %(default)s)",
    )
