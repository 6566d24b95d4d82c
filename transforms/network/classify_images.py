"""ClassifyImages: pixels to predictions with one pass of the network, through RunInference."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, NamedTuple, Unpack

import apache_beam as beam
from apache_beam.ml.inference.base import RunInference

from transforms.kernel import Kernel, UnsuitableError, refused
from transforms.network.litert import LiteRtModelHandler
from transforms.network.ranking import RankingHandler
from transforms.network.scoring import Scoring, ScoringChanges
from transforms.records import Failure, Image, Network, Prediction

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
        """Builds the graph: RunInference, then the failures apart from the predictions."""
        handler = model_handler(self.model, self.how, kernel=self.kernel)
        split = (
            images
            | "RunInference" >> RunInference(handler)
            | "Split" >> beam.ParDo(_Split()).with_outputs(_FAILURES, main="predictions")
        )
        return ClassifyResult(split.predictions, split[_FAILURES])


class _Split(beam.DoFn):  # type: ignore[misc]
    def process(self, result: Prediction | Failure) -> Iterator[Any]:
        if isinstance(result, Failure):
            yield beam.pvalue.TaggedOutput(_FAILURES, result)
        else:
            yield result


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
