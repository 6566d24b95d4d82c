"""Which pictures a report shows, and where: within one bound for all of its sections."""

from __future__ import annotations

import dataclasses
from typing import Any

from pipeline.report.duplicates import Duplicates
from pipeline.report.survey import LEAST_CERTAIN, PER_CLASS, Survey

_MIN_PER_CLASS = 6


@dataclasses.dataclass
class Selection:
    """The pictures of a report, each once, and the positions in `rows` that a section shows.

    Attributes:
        rows: predictions as dictionaries of `survey.COLUMNS`.
        uncertain: lowest score first.
        classes: class id to its pictures, highest score first; the largest classes first.
        groups: of the same order as `Duplicates.shown`.
    """

    rows: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    uncertain: list[int] = dataclasses.field(default_factory=list)
    classes: dict[int, list[int]] = dataclasses.field(default_factory=dict)
    groups: list[list[int]] = dataclasses.field(default_factory=list)


def select(found: Survey, duplicates: Duplicates, *, max_pictures: int) -> Selection:
    """Chooses the pictures: a quarter of them uncertain, up to a fifth repeated, the rest by class.

    Args:
        found: the survey.
        duplicates: of the same run.
        max_pictures: how many different pictures at most.
    """
    chosen = _Chosen(max_pictures)
    lowest = found.least_certain.to_pylist() if found.least_certain is not None else []
    # In this order: who comes first gets its room, and a picture that two sections show counts
    # once.
    uncertain = chosen.add(lowest[: min(LEAST_CERTAIN, max_pictures // 4)])
    groups = _groups(chosen, duplicates, share=max_pictures // 5)
    return Selection(chosen.rows, uncertain, _classes(chosen, found), groups)


class _Chosen:
    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._positions: dict[str, int] = {}
        self.rows: list[dict[str, Any]] = []

    @property
    def room(self) -> int:
        return self._limit - len(self.rows)

    def add(self, rows: list[dict[str, Any]]) -> list[int]:
        """Positions of the rows; those for which there is no room are left out."""
        places = []
        for row in rows:
            if row["uri"] not in self._positions:
                if not self.room:
                    continue
                self._positions[row["uri"]] = len(self.rows)
                self.rows.append(row)
            places.append(self._positions[row["uri"]])
        return places


def _groups(chosen: _Chosen, duplicates: Duplicates, *, share: int) -> list[list[int]]:
    groups: list[list[int]] = []
    # Counted in pictures, since some may be on the page already.
    end = len(chosen.rows) + share
    for group in duplicates.shown:
        room = min(chosen.room, end - len(chosen.rows))
        if room < 2:  # one picture of a group shows nothing
            break
        groups.append(chosen.add(group.rows[:room]))
    return groups


def _classes(chosen: _Chosen, found: Survey) -> dict[int, list[int]]:
    if found.samples is None:
        return {}
    samples: dict[int, list[dict[str, Any]]] = {}
    for row in found.samples.to_pylist():
        samples.setdefault(row["class_id"], []).append(row)
    largest = sorted(samples, key=lambda class_id: (-found.classes[class_id].count, class_id))
    each = min(PER_CLASS, max(_MIN_PER_CLASS, chosen.room // len(samples)))
    shown: dict[int, list[int]] = {}
    for class_id in largest:
        rows = samples[class_id][:each]
        places = chosen.add(sorted(rows, key=lambda row: (-row["score"], row["uri"])))
        if places:
            shown[class_id] = places
    return shown
