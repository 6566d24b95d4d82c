"""How logits become a prediction: what a caller may choose. Imports nothing heavy."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Literal, TypedDict

if TYPE_CHECKING:
    from transforms.network.label_map import LabelMap


Outputs = Literal["logits", "scores", "features"]
"""What a network gives: for each class a number whose softmax is the score, or the score itself; or
no classes, but the feature vector alone."""


@dataclasses.dataclass(frozen=True)
class Scoring:
    """The same logits and the same object give the same prediction.

    Attributes:
        top_k: how many classes a prediction names, 1..1001.
        views: how often the network looks at a picture, see `transforms.images.settings.VIEWS`.
        temperature: that the logits are divided by; more than 1 makes scores less sure. The order
            of the classes stays the same.
        label_map: labels of one's own that predictions get besides, or None.
    """

    top_k: int = 5
    views: int = 1
    temperature: float = 1.0
    label_map: LabelMap | None = None


class ScoringChanges(TypedDict, total=False):
    """Fields of `Scoring` that a caller may give by name in place of a whole object."""

    top_k: int
    views: int
    temperature: float
    label_map: LabelMap | None
