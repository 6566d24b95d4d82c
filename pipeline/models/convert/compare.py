"""Where two models differ: layer by layer in quantization steps, and in what they answer."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from pipeline.models.convert.taps import Tapped
from transforms.errors import UserError
from transforms.network.ranking import top_classes
from transforms.records import Pixels

_TOP: Final = 5
# Pictures a pass: all activations of one are 20 MB at multiplier 1 and 224 pixels.
_BATCH: Final = 16


@dataclasses.dataclass(frozen=True)
class LayerDifference:
    """How far two models are apart after one layer.

    Attributes:
        name: Conv2d_0, ..., features, logits.
        step: Value of one step: the scale of the first model that quantizes the layer; 1 if none
            does.
        max_steps: Largest difference of a value.
        mean_steps: Mean of the differences' sizes.
        equal: Share of values that are nearer to each other than half a step.
    """

    name: str
    step: float
    max_steps: float
    mean_steps: float
    equal: float


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Two models on the same pictures.

    Attributes:
        pictures: How many.
        layers: In order of the network, the features and the logits at the end.
        top1: Share of pictures that get the same first class.
        top5: Share of pictures whose first class by the one is among the five best of the other,
            both ways.
    """

    pictures: int
    layers: tuple[LayerDifference, ...]
    top1: float
    top5: float

    def as_dict(self) -> dict[str, Any]:
        """The same as plain values that `json.dumps` takes."""
        return dataclasses.asdict(self)


def compare(a: Tapped, b: Tapped, pictures: Iterable[Pixels]) -> Comparison:
    """Runs two models over pictures and adds up where they differ.

    Args:
        a: A model.
        b: Another of the same multiplier and size.
        pictures: Each uint8[size, size, 3], at least one.

    Raises:
        UserError: The models are of different multipliers or sizes.
    """
    if (a.size, a.depth) != (b.size, b.depth):
        raise UserError(
            f"these models cannot be compared: one takes {a.size}x{a.size} pixels and gives "
            f"{a.depth} features, the other {b.size}x{b.size} and {b.depth}"
        )
    sums = {name: _Sum(a.steps.get(name, b.steps.get(name, 1.0))) for name in a.names}
    answers: list[npt.NDArray[np.bool_]] = []
    for pixels in _batches(pictures):
        left, right = a.run(pixels), b.run(pixels)
        for name, total in sums.items():
            total.add(left[name], right[name])
        answers.append(_agreement(left["logits"], right["logits"]))
    top1, top5 = np.concatenate(answers, axis=1).mean(axis=1)
    return Comparison(
        pictures=sum(answer.shape[1] for answer in answers),
        layers=tuple(total.difference(name) for name, total in sums.items()),
        top1=float(top1),
        top5=float(top5),
    )


@dataclasses.dataclass
class _Sum:
    """Differences of a layer over the batches."""

    step: float
    largest: float = 0.0
    total: float = 0.0
    near: int = 0
    count: int = 0

    def add(self, left: npt.NDArray[np.float32], right: npt.NDArray[np.float32]) -> None:
        apart = np.abs(left - right) / np.float32(self.step)
        self.largest = max(self.largest, float(apart.max()))
        # float32 would stop counting after some ten million small differences.
        self.total += float(apart.sum(dtype=np.float64))
        self.near += int((apart < 0.5).sum())
        self.count += apart.size

    def difference(self, name: str) -> LayerDifference:
        return LayerDifference(
            name, self.step, self.largest, self.total / self.count, self.near / self.count
        )


def _batches(pictures: Iterable[Pixels]) -> Iterator[npt.NDArray[np.uint8]]:
    source = iter(pictures)
    while batch := list(itertools.islice(source, _BATCH)):
        yield np.stack(batch)


def _agreement(
    left: npt.NDArray[np.float32], right: npt.NDArray[np.float32]
) -> npt.NDArray[np.bool_]:
    """For each picture whether the first classes are equal, and whether each is near the top."""
    a, b = (top_classes(logits.reshape(len(logits), -1), k=_TOP) for logits in (left, right))
    among = (b == a[:, :1]).any(axis=1) & (a == b[:, :1]).any(axis=1)
    return np.stack([a[:, 0] == b[:, 0], among])
