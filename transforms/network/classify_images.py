"""ClassifyImages: pixels to predictions with one pass of the network, several passes at a time."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, Unpack

import apache_beam as beam
from apache_beam.utils.shared import Shared

from transforms.ahead import Ahead, InFlight
from transforms.bundles import in_window
from transforms.images.machine import cores
from transforms.kernel import Kernel, UnsuitableError, refused
from transforms.network.litert import LiteRtModelHandler
from transforms.network.network import Network
from transforms.network.ranking import BATCH_SIZE, RankingHandler, Runnable
from transforms.network.scoring import Scoring, ScoringChanges
from transforms.records import Failure, Image, Prediction

# Passes of the network that run side by side. What Python does for each picture, one after the
# other, keeps up with no more.
_MOST_PASSES = 8

_FAILURES = "failures"


class ClassifyResult(NamedTuple):
    """What `ClassifyImages` returns.

    Attributes:
        predictions: PCollection[Prediction].
        failures: PCollection[Failure], stage infer.
    """

    predictions: beam.PCollection[Prediction]
    failures: beam.PCollection[Failure]


class ClassifyImages(beam.PTransform):  # type: ignore[misc]
    """Runs the network over images. Every Image becomes one Prediction or one Failure.

    Args:
        model: the network; its bytes travel inside the graph, or lie in a file of this machine; a
            worker downloads nothing.
        how: what its logits become: top_k, views, temperature, label_map.
        kernel: what runs the network, but for a SavedModel; the numbers do not depend on it.
        changed: fields of `how` that shall be others: `ClassifyImages(network, top_k=10)`.
    """

    def __init__(
        self,
        model: Network,
        how: Scoring = Scoring(),
        *,
        kernel: Kernel = "auto",
        **changed: Unpack[ScoringChanges],
    ) -> None:
        super().__init__()
        self.model = model
        self.kernel = kernel
        self.how = dataclasses.replace(how, **changed)

    def expand(self, images: beam.PCollection[Image]) -> ClassifyResult:
        """Builds the graph: one ParDo with two outputs."""
        if not images.windowing.is_default():
            raise ValueError("ClassifyImages expects its input in the global window")
        classify = _Classify(model_handler(self.model, self.how, kernel=self.kernel))
        split = images | "Classify" >> beam.ParDo(classify).with_outputs(
            _FAILURES, main="predictions"
        )
        return ClassifyResult(split.predictions, split[_FAILURES])


class _Classify(beam.DoFn):  # type: ignore[misc]
    """Hands batches to threads, so that pictures are loaded while the network runs.

    Beam's RunInference waits for one batch after the other, in the thread that feeds it.
    """

    def __init__(self, handler: RankingHandler) -> None:
        self._handler = handler
        self._shared = Shared()

    def setup(self) -> None:
        self._model: Runnable = self._shared.acquire(self._handler.load_model)
        self._passes = min(cores(), _MOST_PASSES)
        self._ahead: Ahead[Prediction | Failure] = Ahead()

    def start_bundle(self) -> None:
        self._ahead.clear()
        self._batch: list[Image] = []

    def process(self, image: Image) -> Iterator[Any]:
        self._batch.append(image)
        if len(self._batch) == BATCH_SIZE:
            self._run()
            while len(self._ahead) > self._passes:
                yield from map(_tagged, self._ahead.pop())

    def _run(self) -> None:
        batch, self._batch = self._batch, []
        work = functools.partial(self._handler.run_inference, batch, self._model)
        self._ahead.append(InFlight(_threads(), work))

    def finish_bundle(self) -> Iterator[Any]:
        if self._batch:
            self._run()
        while self._ahead:
            yield from map(in_window, map(_tagged, self._ahead.pop()))

    def teardown(self) -> None:
        self._ahead.clear()  # if a bundle has failed


def _tagged(result: Prediction | Failure) -> Any:
    if isinstance(result, Failure):
        return beam.pvalue.TaggedOutput(_FAILURES, result)
    return result


@functools.cache
def _threads() -> ThreadPoolExecutor:
    """For all networks of this process; each thread keeps its own interpreter of a network."""
    return ThreadPoolExecutor(min(cores(), _MOST_PASSES), "infer")


def model_handler(
    model: Network, how: Scoring = Scoring(), *, kernel: Kernel = "auto"
) -> RankingHandler:
    """The handler for a network, whichever its kind is; arguments as in `LiteRtModelHandler`.

    Raises:
        UsageError: the compiled kernel was asked for, for a SavedModel.
    """
    if model.kind == "savedmodel":
        from transforms.network.savedmodel import SavedModelHandler

        if kernel == "native":
            raise refused(UnsuitableError("it runs no SavedModel, only quantized networks"))
        return SavedModelHandler(model, how)
    return LiteRtModelHandler(model, how, kernel=kernel)
