"""From what a network gives to a prediction: scores, the best classes, labels of a label map."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from transforms.failures import ImageError, Reason, Stage, failure
from transforms.network.network import Network
from transforms.network.scoring import Scoring
from transforms.records import Failure, Image, Prediction

BATCH_SIZE = 64
"""Pictures a pass. Throughput grows up to 64 and is flat beyond, one thread, 128x128."""


_NOT_MAPPED = (None, None)

_TINY = np.finfo(np.float32).tiny
"""In place of a score of 0, which has no logarithm."""


class Runnable(Protocol):
    """A loaded network that several threads may call at once."""

    def run(
        self, pixels: Sequence[npt.NDArray[np.uint8]]
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Runs pictures.

        Args:
            pixels: arrays uint8[size, size, 3].

        Returns:
            Logits or scores float32[n, classes] and features float32[n, feature size]; of a network
            without classes the features first, and what comes second has no meaning.
        """


class RankingHandler:
    """Runs a network, one a worker process, and ranks its classes.

    Args:
        model: the network.
        how: what its outputs become; top_k is at most the number of its classes.
    """

    def __init__(self, model: Network, how: Scoring = Scoring()) -> None:
        self._model = model
        self._how = dataclasses.replace(how, top_k=min(how.top_k, len(model.classes)))

    def load_model(self) -> Runnable:
        """Called once a worker process."""
        raise NotImplementedError

    def run_inference(self, batch: Sequence[Image], model: Runnable) -> list[Prediction | Failure]:
        """One result an image, in order, of at most `BATCH_SIZE` images.

        Several threads may call it at once. Images that fail together are tried one by one.
        """
        try:
            return list(self._predict(batch, model))
        # RuntimeError is what LiteRT raises, ValueError is for pixels of another shape.
        except (RuntimeError, ValueError) as error:
            if len(batch) == 1:
                cause = ImageError(Reason.INFERENCE_ERROR, str(error))
                return [failure(batch[0].ref, Stage.INFER, cause)]
            return [result for image in batch for result in self.run_inference([image], model)]

    def _predict(self, batch: Sequence[Image], model: Runnable) -> Iterator[Prediction]:
        outputs, features = self._look(batch, model)
        scores = self._scores(outputs) if self._has_classes else outputs
        # By outputs: two logits that differ may have the same score once it is rounded.
        best = top_classes(outputs, k=self._how.top_k)
        best_scores = np.take_along_axis(scores, best, axis=1)
        names = self._model.classes
        own_labels = self._how.label_map
        mapped = own_labels.apply(scores) if own_labels else [_NOT_MAPPED] * len(batch)
        for image, ids, values, embedding, own in zip(
            batch, best.tolist(), best_scores.tolist(), features, mapped, strict=True
        ):
            first = names[ids[0]] if ids else None
            yield Prediction(
                uri=image.ref.uri,
                sha256=image.sha256,
                width=image.width,
                height=image.height,
                format=image.format,
                class_id=first and first.class_id,
                synset=first and first.synset,
                label=first and first.label,
                score=values[0] if values else None,
                top_class_ids=ids,
                top_labels=[names[class_id].label for class_id in ids],
                top_scores=values,
                embedding=embedding,
                mapped_label=own[0],
                mapped_score=own[1],
                size=image.ref.size,
                version=image.ref.version,
                meta=image.ref.meta,
                colour=image.colour,
            )

    @property
    def _has_classes(self) -> bool:
        return self._model.outputs != "features"

    def _look(
        self, batch: Sequence[Image], model: Runnable
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Outputs, float32[n, 0] of a network without classes, and features."""
        outputs, features = self._views(batch, model)
        if self._has_classes:
            return outputs, features
        return np.empty((len(batch), 0), np.float32), outputs

    def _views(
        self, batch: Sequence[Image], model: Runnable
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """As `Runnable.run`; of several views the mean of both, of logits that of softmax."""
        if self._how.views == 1:
            return model.run([image.pixels for image in batch])
        crops = [image.pixels.reshape(-1, *image.pixels.shape[-3:]) for image in batch]
        looks = [
            model.run([crop[at][:, ::step] for crop in crops])
            for at in range(self._how.views // 2)
            for step in (1, -1)
        ]
        outputs, features = zip(*looks, strict=True)
        merged = mean_logits if self._model.outputs == "logits" else _mean
        return merged(outputs), np.mean(features, axis=0)

    def _scores(self, outputs: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Scores float32[n, classes]; scores of a network are their own logits' softmax already.

        Raises:
            ValueError: the network ends in scores that are none.
        """
        temperature = np.float32(self._how.temperature)
        if self._model.outputs == "logits":
            return softmax(outputs / temperature)
        if not ((outputs >= 0) & (outputs <= 1)).all():
            raise ValueError(
                f"the network gives {outputs.min():g} to {outputs.max():g}, which are no scores "
                "from 0 to 1; say --outputs logits"
            )
        if temperature == 1:
            return outputs
        return softmax(np.log(np.maximum(outputs, _TINY)) / temperature)


def softmax(logits: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.float32]:
    """Softmax over the last axis, summed in float64 so that every machine rounds alike."""
    powers = np.exp(logits.astype(np.float64) - logits.max(axis=-1, keepdims=True))
    scores: npt.NDArray[np.float32] = (powers / powers.sum(axis=-1, keepdims=True)).astype(
        np.float32
    )
    return scores


def mean_logits(views: Sequence[npt.NDArray[np.float32]]) -> npt.NDArray[np.float32]:
    """Logits whose softmax is the mean of the softmax of several logits.

    Args:
        views: of each view, float32[n, classes].

    Returns:
        float32[n, classes]: the logarithm of the sum of the views' scores.
    """
    logs = []
    for logits in views:
        shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
        logs.append(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))
    merged: npt.NDArray[np.float32] = np.logaddexp.reduce(logs).astype(np.float32)
    return merged


def _mean(views: Sequence[npt.NDArray[np.float32]]) -> npt.NDArray[np.float32]:
    summed = np.stack(views).sum(axis=0, dtype=np.float64)
    merged: npt.NDArray[np.float32] = (summed / len(views)).astype(np.float32)
    return merged


def top_classes(logits: npt.NDArray[np.float32], *, k: int) -> npt.NDArray[np.intp]:
    """Class ids of the k largest logits of each row, largest first, ties by class id.

    Args:
        logits: float32[n, classes].
        k: 1..classes.

    Returns:
        int[n, k].
    """
    # k passes for the largest; at k = 5 a stable sort takes eighty times as long.
    rest = logits.copy()
    rows = np.arange(len(logits))
    best = np.empty((len(logits), k), np.intp)
    for rank in range(k):
        best[:, rank] = rest.argmax(axis=1)
        rest[rows, best[:, rank]] = -np.inf
    return best
