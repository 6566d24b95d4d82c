from __future__ import annotations

import apache_beam as beam
import numpy as np
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.testing.util import assert_that

from tests.helpers.inference import coarse_pixels, image_of
from transforms.network.classify_images import ClassifyImages
from transforms.network.scoring import Scoring, ScoringChanges
from transforms.records import Failure, Network, Prediction


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


def test_an_unknown_setting_is_refused(model: Network) -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'k'"):
        ClassifyImages(model, k=10)  # type: ignore[call-arg]


def test_every_field_can_be_changed_by_its_name() -> None:
    assert ScoringChanges.__annotations__.keys() == Scoring.__annotations__.keys()
