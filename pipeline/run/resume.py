"""EarlierRows: what a resumed run takes from the rows that are in its folder already."""

from __future__ import annotations

from typing import NamedTuple

import apache_beam as beam

from pipeline.run.folder import attempts
from pipeline.run.folder.manifest import Identity
from pipeline.run.options import LabelOptions
from transforms.inputs.archives.finished import FinishedArchive, read_finished
from transforms.inputs.skips import Count
from transforms.records import ImageRef
from transforms.resume.carry_rows import CarryRows
from transforms.resume.check_files import DISCARDED, CheckFiles
from transforms.resume.reuse_by_content import ReuseByContent
from transforms.resume.skip_finished import SkipFinished
from transforms.rows.kinds import Outcome
from transforms.rows.shards import Piece


class Earlier(NamedTuple):
    """What `EarlierRows` returns.

    Attributes:
        refs: PCollection[ImageRef], pictures to label.
        predictions: PCollection[Piece], rows that stay.
        failures: PCollection[Piece], the same of failures.
        outcomes: as in `transforms.resume.skip_finished.Skipped`.
        tally: as in `transforms.resume.skip_finished.Skipped`.
        discarded: PCollection[str], paths of files that are damaged.
        archives: as in `transforms.resume.skip_finished.Known`.
        skipped: as there.
        notes: as there.
    """

    refs: beam.PCollection[ImageRef]
    predictions: beam.PCollection[Piece]
    failures: beam.PCollection[Piece]
    outcomes: beam.PCollection[tuple[Outcome, int]]
    tally: beam.PCollection[tuple[str, int]]
    discarded: beam.PCollection[str]
    archives: beam.PCollection[FinishedArchive]
    skipped: beam.PCollection[tuple[str, Count]]
    notes: beam.PCollection[tuple[str, Count]]


class EarlierRows(beam.PTransform):  # type: ignore[misc]
    """Takes PCollection[ImageRef], each uri once; returns `Earlier`. Does nothing in a fresh run.

    Args:
        options: of the run.
        identity: of the run.
        attempt: folder of what is not finished.
    """

    def __init__(self, options: LabelOptions, *, identity: Identity, attempt: str) -> None:
        super().__init__()
        self._options = options
        self._identity = identity
        self._attempt = attempt

    def expand(self, refs: beam.PCollection[ImageRef]) -> Earlier:
        """Builds the graph: files, keys, join, rows."""
        if not self._options.resume:
            nothing = refs.pipeline | "Nothing" >> beam.Create([])
            return Earlier(refs, *[nothing] * (len(Earlier._fields) - 1))
        mine = {"attempt": self._attempt, "identity": self._identity}
        folder = refs.pipeline | "Folder" >> beam.Create([self._options.output])
        archives = (
            folder
            | "ArchiveFiles" >> beam.FlatMap(attempts.archive_files, **mine)
            | "Archives" >> beam.FlatMap(read_finished)
        )
        checked = (
            folder
            | "Files" >> beam.FlatMap(attempts.stored_files, **mine)
            # Files are read and hashed by all workers, not by the one that listed them.
            | "Spread" >> beam.Reshuffle()
            | "Check" >> beam.ParDo(CheckFiles()).with_outputs(DISCARDED, main="files")
        )
        sources = {"refs": refs, "stored": checked.files, "archives": archives}
        skipped = sources | "Skip" >> SkipFinished(
            retry_failures=self._options.retry_failures,
            managed=self._options.colour == "managed",
            image_key=self._options.image_key,
            max_bytes=self._options.max_bytes,
        )
        found = [skipped]
        if self._options.reuse_by == "sha256":
            again = {"refs": skipped.refs, "stored": checked.files}
            # Second, among those that have no row by their name: this one reads every picture.
            by_content = ReuseByContent(
                self._options.max_bytes, managed=self._options.colour == "managed"
            )
            found.append(again | "Reuse" >> by_content)
        wanted = [each.kept for each in found] | "Wanted" >> beam.Flatten()
        carried = {"files": checked.files, "wanted": wanted} | "Carry" >> CarryRows(self._attempt)
        return Earlier(
            found[-1].refs,
            carried.predictions,
            carried.failures,
            [each.outcomes for each in found] | "Outcomes" >> beam.Flatten(),
            [each.tally for each in found] | "Tally" >> beam.Flatten(),
            checked[DISCARDED],
            *skipped.known,
        )
