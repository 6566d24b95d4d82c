"""Label Studio: tasks with predictions, doubtful ones first, and the labelling config for them."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa

from pipeline.export.label_studio_config import (
    IMAGE,
    TASK_CHOICES,
    image_address,
    labelling_config,
    labelling_config_by_task,
)
from pipeline.export.source import Counts, Source
from pipeline.labels.answers.answer import NONE_OF_THESE
from pipeline.labels.answers.rows import CHOICE
from transforms.storage import files as storage
from transforms.storage.addresses import is_utf8, name_of

TASKS_PER_FILE = 10_000
"""Imports of some ten thousand tasks at a time fail."""

MAX_CHOICES = 50
"""With more classes an annotator is offered the guesses for the picture instead of all of them."""

# Tasks in memory; the rows are read once for each so many.
_WINDOW = 20 * TASKS_PER_FILE


def write_label_studio(source: Source, folder: str) -> Counts:
    """Writes `tasks-*.json`, lowest score first or as selected, and `config.xml`.

    Local files are named as Label Studio serves them, wherever that is; pictures inside archives
    that are not copied are left out, and so are those whose name is not UTF-8. A run with a label
    map is exported with the labels of the map.
    """
    ranks, gone = _ranks(source)
    exported = int((ranks >= 0).sum())
    tasks = _Tasks(source)
    files = -(-exported // TASKS_PER_FILE)
    for number, table in enumerate(_ordered(source, ranks)):
        name = f"tasks-{number:05d}-of-{files:05d}.json"
        text = orjson.dumps([tasks.task(row) for row in table.to_pylist()])
        storage.write_bytes(storage.join(folder, name), text)
    storage.write_bytes(storage.join(folder, "config.xml"), tasks.config())
    return Counts(exported, len(ranks) - exported, gone)


def _ranks(source: Source) -> tuple[npt.NDArray[np.int64], int]:
    """For each row its place among the tasks, -1 for what is left out; and how many are gone."""
    scores, members, gone = [np.zeros(0, np.float32)], [np.zeros(0, bool)], 0
    score = source.label_columns[-1]
    for table in source.predictions(columns=["uri", score]):
        uris = table["uri"].to_pylist()
        gone += sum(map(source.is_gone, uris))
        scores.append(table[score].to_numpy())
        members.append(np.array([not _is_shown(source.picture(uri)) for uri in uris], bool))
    left_out = np.concatenate(members)
    keys = np.concatenate(scores)
    order = np.arange(len(keys))
    if source.selection.order is None:
        order = np.argsort(keys, kind="stable")
    order = order[~left_out[order]]
    ranks = np.full(len(left_out), -1, np.int64)
    # The inverse of the order: for each row its place.
    ranks[order] = np.arange(len(order))
    return ranks, gone


def _is_shown(picture: str | None) -> bool:
    """Whether its server finds a picture: the file service (1.23) knows names in UTF-8 only."""
    return picture is not None and is_utf8(name_of(picture))


def _ordered(source: Source, ranks: npt.NDArray[np.int64]) -> Iterator[pa.Table]:
    """The rows of each file of tasks, in bounded memory however many there are."""
    total = int(ranks.max(initial=-1)) + 1
    for start in range(0, total, _WINDOW):
        window = _window(source, ranks, start)
        for first in range(0, window.num_rows, TASKS_PER_FILE):
            yield window.slice(first, TASKS_PER_FILE)


def _window(source: Source, ranks: npt.NDArray[np.int64], start: int) -> pa.Table:
    kept, places, row = [], [], 0
    columns = ("uri", "sha256", "top_class_ids", *source.label_columns)
    for table in source.predictions(columns=columns):
        here = ranks[row : row + table.num_rows]
        row += table.num_rows
        # Sorting all rows would hold all of them; a window holds its own part of the order.
        wanted = (here >= start) & (here < start + _WINDOW)
        kept.append(table.filter(pa.array(wanted)))
        places.append(here[wanted])
    return pa.concat_tables(kept).take(pa.array(np.argsort(np.concatenate(places))))


@dataclasses.dataclass(frozen=True)
class _Tasks:
    source: Source

    @functools.cached_property
    def _choices(self) -> Sequence[str] | None:
        """What every task may be labelled as; None if each brings its own choices."""
        choices = self.source.choices
        return choices if self.source.own_labels or len(choices) <= MAX_CHOICES else None

    @property
    def _version(self) -> str:
        model = self.source.run.manifest.model
        return f"{model.name}@{model.sha256[:8]}"

    def task(self, row: dict[str, Any]) -> dict[str, Any]:
        """One picture with its prediction; uri and sha256 lead an annotation back to its row."""
        names = self.source.names
        data: dict[str, Any]
        address = image_address(self.source.picture(row["uri"]) or row["uri"])
        data = {IMAGE: address, "uri": row["uri"], "sha256": row["sha256"]}
        data |= self.source.selection.data.get(row["uri"], {})
        if self._choices is None:
            choices = [*(names[class_id] for class_id in row["top_class_ids"]), NONE_OF_THESE]
            data[TASK_CHOICES] = [{"value": name} for name in choices]
        choice, score = self.source.label(row)
        result = [] if choice is None else [_result(choice)]
        prediction = {"model_version": self._version, "score": score, "result": result}
        return {"data": data, "predictions": [prediction]}

    def config(self) -> bytes:
        """The labelling config: every choice that a task needs and no other."""
        if self._choices is None:
            return labelling_config_by_task().encode()
        return labelling_config([*self._choices, NONE_OF_THESE]).encode()


def _result(choice: str) -> dict[str, Any]:
    return {
        "id": "quantlabel",
        "type": "choices",
        "from_name": CHOICE,
        "to_name": IMAGE,
        "value": {"choices": [choice]},
    }
