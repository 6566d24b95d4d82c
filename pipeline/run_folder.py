"""The output folder of a run: may it be written to, and the ledger that closes it."""

from __future__ import annotations

import dataclasses
import datetime
import json
import os
from collections.abc import Iterator, Mapping
from typing import Any

import apache_beam as beam

from transforms import storage
from transforms.errors import UserError
from transforms.write import Shard

MANIFEST = "_MANIFEST.json"
SUCCESS = "_SUCCESS"

_MOST_FREQUENT = 20


def check_writable(folder: str, *, overwrite: bool) -> None:
    """Refuses a folder that holds a finished run.

    Raises:
        UserError: the run there is finished and `overwrite` is false, or the path is a file.
    """
    if storage.is_local(folder) and storage.exists(folder) and not _is_folder(folder):
        raise UserError(f"--output {folder}: this is a file. Expected a folder, new or existing.")
    if not overwrite and storage.exists(storage.join(folder, SUCCESS)):
        raise UserError(
            f"--output {folder}: a finished run is there already. "
            "Choose another folder, or add --overwrite to replace it."
        )


def _is_folder(path: str) -> bool:
    return os.path.isdir(path)


def read_manifest(folder: str) -> dict[str, Any]:
    """The manifest of a run.

    Raises:
        FileNotFoundError: the folder has none.
    """
    manifest: dict[str, Any] = json.loads(storage.read_bytes(storage.join(folder, MANIFEST)))
    return manifest


def now() -> str:
    """The time in UTC, ISO 8601 to the millisecond."""
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds")


@dataclasses.dataclass(eq=False)
class FinishRun(beam.DoFn):  # type: ignore[misc]
    """Adds up the ledger, writes the manifest and, if all is well, `_SUCCESS`.

    Runs inside the graph after every shard is in place, since the launcher may be gone by then.

    Attributes:
        folder: of the run.
        identity: what the launcher knows: versions, model, preprocessing, options, start.
        max_failure_rate: see `LabelOptions`.
    """

    folder: str
    identity: Mapping[str, Any]
    max_failure_rate: float

    def process(
        self,
        _: None,
        predictions: list[Shard],
        failures: list[Shard],
        tally: dict[str, int],
        reasons: dict[str, int],
        labels: dict[tuple[int, str], int],
    ) -> Iterator[dict[str, Any]]:
        """Writes the manifest, once (a retry writes the same counts again).

        Raises:
            UserError: the counts do not add up, nothing succeeded, or too much failed.
        """
        manifest = {
            **self.identity,
            "finished": now(),
            "status": "succeeded",
            "inputs": tally.get("inputs", 0),
            "predictions": sum(shard.rows for shard in predictions),
            "failures": sum(shard.rows for shard in failures),
            "failures_by_reason": dict(sorted(reasons.items())),
            "duplicates": tally.get("duplicates", 0),
            "skipped": tally.get("skipped", 0),
            "most_frequent_labels": _most_frequent(labels),
            "files": [shard._asdict() for shard in [*sorted(predictions), *sorted(failures)]],
        }
        problem = _problem(manifest, tally, labels, self.max_failure_rate)
        if problem:
            manifest.update(status="failed", error=problem)
        text = json.dumps(manifest, indent=2, ensure_ascii=False)
        storage.write_bytes(storage.join(self.folder, MANIFEST), f"{text}\n".encode())
        if problem:
            raise UserError(problem)
        storage.write_bytes(storage.join(self.folder, SUCCESS), b"")
        yield manifest


def _most_frequent(labels: Mapping[tuple[int, str], int]) -> list[dict[str, Any]]:
    ranked = sorted(labels.items(), key=lambda item: (-item[1], item[0]))[:_MOST_FREQUENT]
    return [
        {"class_id": class_id, "label": label, "count": count}
        for (class_id, label), count in ranked
    ]


def _problem(
    manifest: Mapping[str, Any],
    tally: Mapping[str, int],
    labels: Mapping[tuple[int, str], int],
    max_failure_rate: float,
) -> str | None:
    """Why the run has failed, or None.

    The three counts come from different places, the listing, the classified rows and the files on
    disk, so that a row lost or doubled anywhere between them shows.
    """
    inputs, failures = manifest["inputs"], manifest["failures"]
    rows = manifest["predictions"] + failures
    if tally.get("entries", 0) != inputs + manifest["duplicates"]:
        return _unbalanced(f"{tally.get('entries', 0)} pictures listed", inputs, manifest)
    if inputs != rows or sum(labels.values()) != manifest["predictions"]:
        return _unbalanced(f"{rows} rows written", inputs, manifest)
    if not manifest["predictions"]:
        reasons = ", ".join(f"{n} {reason}" for reason, n in manifest["failures_by_reason"].items())
        return f"none of the {inputs} pictures could be labelled ({reasons})"
    if failures > max_failure_rate * inputs:
        return (
            f"{failures} of {inputs} pictures failed, a rate of {failures / inputs:.4f}; "
            f"the limit is {max_failure_rate:g} (--max-failure-rate)"
        )
    return None


def _unbalanced(what: str, inputs: int, manifest: Mapping[str, Any]) -> str:
    return (
        f"the ledger does not add up: {what}, but {inputs} inputs, {manifest['duplicates']} "
        f"duplicates, {manifest['predictions']} predictions and {manifest['failures']} failures. "
        "The rows cannot be trusted; run again, and report this if it happens twice."
    )
