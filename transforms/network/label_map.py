"""From the classes of the network to labels of one's own."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from transforms.network.classes import MOST


class Mapped(NamedTuple):
    """What a label map makes of a picture.

    Attributes:
        label: the label with the largest score; None if that is below the threshold.
        score: the largest score, the sum over the label's classes.
    """

    label: str | None
    score: float


@dataclasses.dataclass(frozen=True)
class LabelMap:
    """Several classes to one label. Classes without a label do not count.

    Attributes:
        labels: in the order in which equal scores are decided; each has at least one class.
        of_class: for each class the position of its label, or -1 if it has none; classes beyond
            have none.
        threshold: labels with a smaller score are not given.
    """

    labels: tuple[str, ...]
    of_class: tuple[int, ...]
    threshold: float = 0.0

    def apply(self, scores: npt.NDArray[np.float32]) -> list[Mapped]:
        """Labels pictures.

        Args:
            scores: of all classes, float32[n, classes].
        """
        order, starts = self._runs
        # Each label has a class: of an empty run reduceat would give the first score of the next.
        sums = np.add.reduceat(scores[:, order], starts, axis=1, dtype=np.float64)
        best = sums.argmax(axis=1)
        return [
            Mapped(self.labels[at] if score >= self.threshold else None, score)
            for at, score in zip(best.tolist(), sums.max(axis=1).tolist(), strict=True)
        ]

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> LabelMap:
        """What `as_dict` was made from.

        Raises:
            ValueError: it is not what `as_dict` gives.
        """
        threshold, labels = content.get("threshold"), content.get("labels")
        if not isinstance(threshold, (int, float)) or not 0 <= threshold <= 1:
            raise ValueError(f"threshold: expected a score from 0 to 1, found {threshold!r}")
        if not isinstance(labels, dict) or not labels:
            raise ValueError("labels: expected labels and the ids of their classes")
        of_class: dict[int, int] = {}
        for at, (label, class_ids) in enumerate(labels.items()):
            if not isinstance(class_ids, list) or not class_ids:
                raise ValueError(f"labels: expected ids of classes for {label!r}")
            for class_id in class_ids:
                if not isinstance(class_id, int) or not 0 <= class_id < MOST:
                    raise ValueError(f"labels: {class_id!r} of {label!r} is no id of a class")
                if class_id in of_class:
                    raise ValueError(f"labels: class {class_id} has two labels")
                of_class[class_id] = at
        positions = (of_class.get(class_id, -1) for class_id in range(max(of_class) + 1))
        return cls(tuple(labels), tuple(positions), float(threshold))

    def as_dict(self) -> dict[str, Any]:
        """For the manifest: the threshold and the class ids of each label."""
        order, starts = self._runs
        members = (class_ids.tolist() for class_ids in np.split(order, starts[1:]))
        return {
            "threshold": self.threshold,
            "labels": dict(zip(self.labels, members, strict=True)),
        }

    @functools.cached_property
    def _runs(self) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        """Classes in the order of their labels, and where each label begins among them."""
        of_class = np.array(self.of_class)
        order = np.argsort(of_class, kind="stable")
        order = order[of_class[order] >= 0]
        return order, np.searchsorted(of_class[order], np.arange(len(self.labels)))
