"""ClassifyImages: pixels to predictions with one pass of the network, through RunInference."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.ml.inference.base import RunInference

from transforms.network.label_map import LabelMap
from transforms.network.litert import LiteRtModelHandler
from transforms.network.ranking import RankingHandler
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


@dataclasses.dataclass(eq=False)
class ClassifyImages(beam.PTransform):  # type: ignore[misc]
    """Runs the network over images. Every Image becomes one Prediction or one Failure.

    Attributes:
        model: the network; its bytes travel inside the graph, or lie in a file of this machine; a
            worker downloads nothing.
        top_k: how many classes a prediction names, 1..1001.
        views: how often the network looks at a picture, see `transforms.images.preprocess.VIEWS`.
        temperature: that the logits are divided by; more than 1 makes scores less sure. The order
            of the classes stays the same.
        label_map: labels of one's own that predictions get besides.
    """

    model: Network
    top_k: int = 5
    views: int = 1
    temperature: float = 1.0
    label_map: LabelMap | None = None

    def expand(self, images: beam.PCollection[Image]) -> ClassifyResult:
        """Builds the graph: RunInference, then the failures apart from the predictions."""
        handler = model_handler(
            self.model,
            top_k=self.top_k,
            views=self.views,
            temperature=self.temperature,
            label_map=self.label_map,
        )
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
    model: Network,
    *,
    top_k: int = 5,
    views: int = 1,
    temperature: float = 1.0,
    label_map: LabelMap | None = None,
) -> RankingHandler:
    """The handler for a network, whichever its kind is; arguments as in `RankingHandler`."""
    handler: type[RankingHandler] = LiteRtModelHandler
    if model.kind == "savedmodel":
        from transforms.network.savedmodel import SavedModelHandler

        handler = SavedModelHandler
    return handler(model, top_k=top_k, views=views, temperature=temperature, label_map=label_map)
