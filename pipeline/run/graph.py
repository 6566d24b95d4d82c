"""The graph of a labelling run, the only place that sees it whole."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import AsDict, AsList

from pipeline.run.folder.ledger import FinishRun
from pipeline.run.folder.manifest import Identity
from pipeline.run.options import LabelOptions
from pipeline.run.resume import EarlierRows
from pipeline.run.runners.options import processes
from pipeline.run.runners.progress import CountPictures, Kind, MeterPictures
from transforms.images.load_and_preprocess import LoadAndPreprocess
from transforms.inputs.read_images import ReadImages
from transforms.inputs.skips import joined
from transforms.network.classify_images import ClassifyImages
from transforms.network.network import Network
from transforms.resume.stage_archives import StageArchives
from transforms.rows.kinds import RowKind
from transforms.rows.merge_pieces import MergePieces
from transforms.rows.stage_rows import StageRows


def build(
    pipeline: beam.Pipeline,
    options: LabelOptions,
    *,
    model: Network,
    identity: Identity,
    attempt: str,
    progress_folder: str | None = None,
) -> None:
    """Adds a labelling run to a pipeline.

    Args:
        pipeline: to add to.
        options: of the run.
        model: the network to run.
        identity: of the run, for the manifest; says how pictures are loaded and scored.
        attempt: folder for what is not finished, see `pipeline.run.folder.attempts`.
        progress_folder: local folder where running transforms report how far they are; None for
            Beam's own counters on a service, and for none in a local run.
    """
    read = pipeline | "Read" >> ReadImages(options.inputs, image_key=options.image_key)
    earlier = read.refs | "Earlier" >> EarlierRows(options, identity=identity, attempt=attempt)
    loaded = earlier.refs | "Load" >> LoadAndPreprocess(
        identity.preprocess,
        image_key=options.image_key,
        memory=options.memory,
        processes=processes(options, pipeline.options),
        kernel=options.kernel,
    )
    classified = loaded.images | "Classify" >> ClassifyImages(
        model, identity.scoring, kernel=options.kernel
    )
    predictions = classified.predictions
    failures = (read.failures, loaded.failures, classified.failures) | "Failures" >> beam.Flatten()
    # A quiet local run counts nothing: each step costs a call for every picture.
    if not options.is_local or progress_folder is not None:
        # Apart, so that the listing is counted while it is made.
        for name, tally in (
            ("listed", read.listing),
            ("kept", earlier.tally),
            ("members", loaded.tally),
        ):
            _ = tally | f"Count {name}" >> _count("listed", progress_folder)
        # Before they are staged: a row counts when it is made, not when its file is written.
        predictions |= "Count labelled" >> _count("labelled", progress_folder)
        failures |= "Count failed" >> _count("failed", progress_folder)
    new = predictions | "Stage" >> StageRows(attempt, RowKind.PREDICTION)
    new_failures = failures | "StageFailures" >> StageRows(attempt, RowKind.FAILURE)
    # Failures are JSON lines, which have no place for it.
    metadata = identity.schema_metadata
    merge = MergePieces(attempt, RowKind.PREDICTION, options.format, metadata)
    merge_failures = MergePieces(attempt, RowKind.FAILURE, RowKind.FAILURE.default_format)
    shards = (new.pieces, earlier.predictions) | "Pieces" >> beam.Flatten() | "Merge" >> merge
    failure_shards = (
        (new_failures.pieces, earlier.failures)
        | "FailurePieces" >> beam.Flatten()
        | "MergeFailures" >> merge_failures
    )
    archives = (
        (loaded.archives, earlier.archives)
        | "Archives" >> beam.Flatten()
        | "StageArchives" >> StageArchives(attempt)
    )
    outcomes = (new.outcomes, new_failures.outcomes, earlier.outcomes)
    _ = (
        pipeline
        | "End" >> beam.Impulse()
        | "Finish"
        >> beam.ParDo(
            FinishRun(options.output, attempt, options.format, identity, options.max_failure_rate),
            predictions=AsList(shards),
            failures=AsList(failure_shards),
            tally=AsDict((read.tally, earlier.tally, loaded.tally) | "Tally" >> _AddUp()),
            outcomes=AsDict(outcomes | "Count" >> _AddUp()),
            skipped=AsDict(
                (read.skipped, earlier.skipped, loaded.skipped) | "Skipped" >> _AddUp(joined)
            ),
            notes=AsDict((read.notes, earlier.notes, loaded.notes) | "Notes" >> _AddUp(joined)),
            discarded=AsList(earlier.discarded),
            archives=AsList(archives),
        )
    )


def _count(kind: Kind, folder: str | None) -> beam.ParDo:
    return beam.ParDo(MeterPictures(kind) if folder is None else CountPictures(folder, kind))


class _AddUp(beam.PTransform):  # type: ignore[misc]
    """Several PCollection[tuple[key, value]] to the sum of each key.

    Beam gives what is grouped a coder for pairs, but not what is flattened into it. Flink does that
    flattening itself and then finds bytes where it expects pairs, hence the step between the two.
    """

    def __init__(self, add: Callable[[Iterable[Any]], Any] = sum) -> None:
        super().__init__()
        self._add = add

    def expand(self, parts: Sequence[beam.PCollection[Any]]) -> beam.PCollection[Any]:
        pairs = beam.Map(_same).with_output_types(tuple[Any, Any])
        return parts | beam.Flatten() | "Pairs" >> pairs | "Sum" >> beam.CombinePerKey(self._add)


def _same(pair: tuple[Any, Any]) -> tuple[Any, Any]:
    return pair
