from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import apache_beam as beam
import numpy as np
import numpy.typing as npt
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.testing.util import assert_that

from tests.helpers.inference import coarse_pixels, image_of
from transforms.network import classify_images
from transforms.network.classify_images import ClassifyImages
from transforms.network.litert import LiteRtModel, LiteRtModelHandler
from transforms.network.network import Network
from transforms.network.scoring import Scoring, ScoringChanges
from transforms.records import Failure, Prediction


def test_transform_gives_a_row_an_image(model: Network) -> None:
    images = [image_of(number, pixels) for number, pixels in enumerate(coarse_pixels(70))]
    images.append(image_of(70, np.zeros((64, 64, 3), np.uint8)))

    def labelled(rows: list[Prediction]) -> None:
        assert sorted(row.uri for row in rows) == sorted(f"/{n}.jpg" for n in range(70))

    def failed(rows: list[Failure]) -> None:
        assert [row.uri for row in rows] == ["/70.jpg"]

    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        result = pipeline | beam.Create(images) | ClassifyImages(model)
        assert_that(result.predictions, labelled, label="predictions")
        assert_that(result.failures, failed, label="failures")


def test_passes_run_side_by_side_and_their_rows_stay_in_order(
    model: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = threading.Barrier(3, timeout=20)  # fails if one pass waits for another
    lone = LiteRtModel(model.content)

    class Meeting:
        def run(self, pixels: Sequence[npt.NDArray[np.uint8]]) -> Any:
            together.wait()
            return lone.run(pixels)

    monkeypatch.setattr(classify_images, "cores", lambda: 3)
    monkeypatch.setattr(LiteRtModelHandler, "load_model", lambda _: Meeting())
    classify_images._threads.cache_clear()
    pixels = coarse_pixels(150)
    classify = classify_images._Classify(LiteRtModelHandler(model))
    classify.setup()
    classify.start_bundle()
    rows = [
        row
        for number, each in enumerate(pixels)
        for row in classify.process(image_of(number, each))
    ]
    rows += [windowed.value for windowed in classify.finish_bundle()]
    classify_images._threads.cache_clear()
    assert [row.uri for row in rows] == [f"/{number}.jpg" for number in range(150)]
    expected = [lone.run(pixels[start : start + 64])[1] for start in (0, 64, 128)]
    np.testing.assert_array_equal(
        np.stack([row.embedding for row in rows]), np.concatenate(expected)
    )


def test_images_of_other_windows_are_refused(model: Network) -> None:
    images = beam.Pipeline() | beam.Create([image_of(0, coarse_pixels(1)[0])])
    images |= beam.WindowInto(beam.window.FixedWindows(1))
    with pytest.raises(ValueError, match="in the global window"):
        _ = images | ClassifyImages(model)


def test_an_unknown_setting_is_refused(model: Network) -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'k'"):
        ClassifyImages(model, k=10)  # type: ignore[call-arg]


def test_every_field_can_be_changed_by_its_name() -> None:
    assert ScoringChanges.__annotations__.keys() == Scoring.__annotations__.keys()
