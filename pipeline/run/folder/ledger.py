"""The output folder of a run: may it be written to, and the ledger that closes it."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import apache_beam as beam

from pipeline.run.folder import attempts
from pipeline.run.folder.manifest import Frequent, Identity, Manifest, now
from transforms.errors import UserError
from transforms.inputs.skips import Count, most_first
from transforms.network.classes import Classes
from transforms.rows.kinds import NO_CLASS, Outcome, RowKind
from transforms.rows.names import SUCCESS
from transforms.rows.publish import Move, final_names
from transforms.rows.shards import Piece
from transforms.storage import files

_MOST_FREQUENT = 20


def check_writable(folder: str, *, replace: bool) -> None:
    """Refuses a folder that holds a finished run.

    Raises:
        UserError: the run there is finished and `replace` is false, or the path is a file.
    """
    if files.is_local(folder) and files.exists(folder) and not os.path.isdir(folder):
        raise UserError(f"--output {folder}: this is a file. Expected a folder, new or existing.")
    if not replace and files.exists(files.join(folder, SUCCESS)):
        raise UserError(
            f"--output {folder}: a finished run is there already. Choose another folder, or add "
            "--resume to bring it up to date, or --overwrite to replace it."
        )


@dataclasses.dataclass(eq=False)
class FinishRun(beam.DoFn):  # type: ignore[misc]
    """Adds up the ledger, gives the shards their names and closes the folder.

    Runs inside the graph when every shard is complete, since the launcher may be gone by then.

    Attributes:
        folder: of the run.
        attempt: folder of what is not finished.
        format: of the predictions.
        identity: what the launcher knows.
        max_failure_rate: see `LabelOptions`.
    """

    folder: str
    attempt: str
    format: str
    identity: Identity
    max_failure_rate: float

    def process(
        self,
        _: bytes,
        predictions: list[Piece],
        failures: list[Piece],
        tally: dict[str, int],
        outcomes: dict[Outcome, int],
        skipped: dict[str, Count],
        notes: dict[str, Count],
        discarded: list[str],
    ) -> Iterator[Manifest]:
        """Writes the manifest, once (a retry writes the same counts again).

        Raises:
            UserError: the counts do not add up, nothing succeeded, or too much failed.
        """
        failure = RowKind.FAILURE
        moves = [
            *final_names(predictions, kind=RowKind.PREDICTION, format=self.format),
            *final_names(failures, kind=failure, format=failure.default_format),
        ]
        counts = _ledger(moves, tally, outcomes, self.identity.model.classes)
        manifest = Manifest(
            **vars(self.identity),
            **counts,
            skipped_by_kind=most_first(skipped),
            read_as=most_first(notes),
            discarded=tuple(discarded),
        )
        problem = _problem(manifest, tally, outcomes, self.max_failure_rate)
        if problem:
            # Written all the same: the rows are good, and the counts say what went wrong.
            manifest = dataclasses.replace(manifest, status="failed", error=problem)
        attempts.commit(self.folder, self.attempt, manifest, moves)
        if problem:
            raise UserError(problem)
        yield manifest


def _ledger(
    moves: Sequence[Move],
    tally: Mapping[str, int],
    outcomes: Mapping[Outcome, int],
    classes: Classes,
) -> dict[str, Any]:
    """What happened to the inputs, as `Manifest` has it."""
    rows = {
        kind.value: sum(move.shard.rows for move in moves if move.shard.kind is kind)
        for kind in RowKind
    }
    return {
        "finished": now(),
        "inputs": tally.get("inputs", 0),
        **rows,
        "failures_by_reason": dict(sorted(_of_kind(RowKind.FAILURE, outcomes).items())),
        "duplicates": tally.get("duplicates", 0),
        "skipped": tally.get("skipped", 0),
        "reused": tally.get("reused", 0),
        "most_frequent_labels": _most_frequent(_of_kind(RowKind.PREDICTION, outcomes), classes),
        "files": tuple(move.shard for move in moves),
    }


def _of_kind(kind: RowKind, outcomes: Mapping[Outcome, int]) -> dict[Any, int]:
    return {what: count for (of, what), count in outcomes.items() if of == kind.value}


def _most_frequent(class_ids: Mapping[int, int], classes: Classes) -> tuple[Frequent, ...]:
    known = [item for item in class_ids.items() if item[0] != NO_CLASS]
    # Equal counts by class, so that two runs over the same pictures have equal manifests.
    ranked = sorted(known, key=lambda item: (-item[1], item[0]))[:_MOST_FREQUENT]
    return tuple(Frequent(class_id, classes[class_id].label, count) for class_id, count in ranked)


def _problem(
    manifest: Manifest,
    tally: Mapping[str, int],
    outcomes: Mapping[Outcome, int],
    max_failure_rate: float,
) -> str | None:
    """Why the run has failed, or None.

    The three counts come from different places, the listing, the rows as they came to be written or
    were found stored, and the files on disk, so that a row lost or doubled between them shows.
    """
    inputs, failures = manifest.inputs, manifest.failures
    rows = manifest.predictions + failures
    if tally.get("entries", 0) != inputs + manifest.duplicates:
        return _unbalanced(f"{tally.get('entries', 0)} pictures listed", inputs, manifest)
    if inputs != rows or rows != sum(outcomes.values()):
        return _unbalanced(f"{rows} rows written", inputs, manifest)
    if not manifest.predictions:
        reasons = ", ".join(f"{n} {reason}" for reason, n in manifest.failures_by_reason.items())
        return f"none of the {inputs} pictures could be labelled ({reasons})"
    if failures > max_failure_rate * inputs:
        return (
            f"{failures} of {inputs} pictures failed, a rate of {failures / inputs:.4f}; "
            f"the limit is {max_failure_rate:g} (--max-failure-rate)"
        )
    return None


def _unbalanced(what: str, inputs: int, manifest: Manifest) -> str:
    return (
        f"the ledger does not add up: {what}, but {inputs} inputs, {manifest.duplicates} "
        f"duplicates, {manifest.predictions} predictions and {manifest.failures} failures. "
        "The rows cannot be trusted; run again, and report this if it happens twice."
    )
