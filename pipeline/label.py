"""The graph of a labelling run, the only place that sees it whole."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import AsDict, AsList

from pipeline.options import LabelOptions
from pipeline.progress import CountPictures
from pipeline.run_folder import FinishRun
from transforms.infer import ClassifyImages
from transforms.load import LoadAndPreprocess
from transforms.read import ReadImages
from transforms.records import Failure, Model, Prediction
from transforms.write import WriteFailures, WritePredictions


def build(
    pipeline: beam.Pipeline,
    options: LabelOptions,
    *,
    model: Model,
    identity: Mapping[str, Any],
    progress_folder: str | None = None,
) -> None:
    """Adds a labelling run to a pipeline.

    Args:
        pipeline: to add to.
        options: of the run.
        model: the network to run.
        identity: versions, model, preprocessing, options and start, for the manifest.
        progress_folder: local folder where running transforms report how far they are, or None.
    """
    read = pipeline | "Read" >> ReadImages(options.inputs)
    loaded = read.refs | "Load" >> LoadAndPreprocess(
        size=model.input_size,
        method=options.preprocess,
        max_pixels=options.max_pixels,
        max_bytes=options.max_bytes,
    )
    classified = loaded.images | "Classify" >> ClassifyImages(model, top_k=options.top_k)
    predictions = classified.predictions
    failures = (read.failures, loaded.failures, classified.failures) | "Failures" >> beam.Flatten()
    if progress_folder is not None:
        _ = read.listing | "Count listed" >> beam.ParDo(CountPictures(progress_folder, "listed"))
        predictions |= "Count labelled" >> beam.ParDo(CountPictures(progress_folder, "labelled"))
        failures |= "Count failed" >> beam.ParDo(CountPictures(progress_folder, "failed"))
    _ = (
        pipeline
        | "End" >> beam.Create([None])
        | "Finish"
        >> beam.ParDo(
            FinishRun(options.output, identity, options.max_failure_rate),
            predictions=AsList(
                predictions
                | "Write"
                >> WritePredictions(options.output, options.format, _schema_metadata(identity))
            ),
            failures=AsList(failures | "WriteFailures" >> WriteFailures(options.output)),
            tally=AsDict(read.tally | "Tally" >> beam.CombinePerKey(sum)),
            reasons=AsDict(failures | "Reasons" >> _CountBy(_reason)),
            labels=AsDict(predictions | "Labels" >> _CountBy(_class)),
        )
    )


class _CountBy(beam.PTransform):  # type: ignore[misc]
    def __init__(self, key: Any) -> None:
        super().__init__()
        self._key = key

    def expand(self, rows: beam.PCollection[Any]) -> beam.PCollection[tuple[Any, int]]:
        return rows | beam.Map(self._key) | beam.combiners.Count.PerElement()


def _reason(failure: Failure) -> str:
    return failure.reason


def _class(prediction: Prediction) -> tuple[int, str]:
    return prediction.class_id, prediction.label


def _schema_metadata(identity: Mapping[str, Any]) -> dict[str, str]:
    """What every Parquet file says of its origin."""
    return {
        "quantlabel.version": identity["version"],
        "quantlabel.model": identity["model"]["name"],
        "quantlabel.model_sha256": identity["model"]["sha256"],
        "quantlabel.preprocess": json.dumps(identity["preprocess"]),
        "quantlabel.options": json.dumps(identity["options"]),
    }
