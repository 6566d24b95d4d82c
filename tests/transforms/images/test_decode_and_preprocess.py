from __future__ import annotations

from typing import Any

import apache_beam as beam
import numpy as np
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.testing.util import assert_that
from apache_beam.transforms.window import FixedWindows

from tests.helpers.encoded import encoded
from transforms.images.decode_and_preprocess import DecodeAndPreprocess

PICTURE = encoded(np.full((30, 20, 3), 7, np.uint8), "PNG")


def test_every_pair_becomes_an_image_or_a_failure() -> None:
    large = PICTURE + bytes(1000)

    def images(found: list[Any]) -> None:
        assert [(each.ref.uri, each.ref.size, each.width) for each in found] == [
            ("db:1", len(PICTURE), 20)
        ]
        assert found[0].pixels.tolist() == np.full((160, 160, 3), 7).tolist()

    def failures(found: list[Any]) -> None:
        assert sorted((each.uri, each.stage, each.reason) for each in found) == [
            ("db:2", "decode", "unknown_format"),
            ("db:3", "decode", "empty"),
            ("db:4", "read", "too_large_bytes"),
        ]

    pairs = [("db:1", PICTURE), ("db:2", b"words"), ("db:3", b""), ("db:4", large)]
    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        step = DecodeAndPreprocess(size=160, max_bytes=len(PICTURE) + 10)
        decoded = pipeline | beam.Create(pairs) | step
        assert_that(decoded.images, images, label="images")
        assert_that(decoded.failures, failures, label="failures")


@pytest.mark.parametrize("pair", [("a.jpg", "text"), (b"a.jpg", PICTURE), ("a.jpg", None)])
def test_other_pairs_are_refused_by_their_types(pair: tuple[Any, Any]) -> None:
    pipeline = beam.Pipeline(runner=FnApiRunner())
    _ = pipeline | beam.Create([pair]) | DecodeAndPreprocess()
    with pytest.raises(Exception, match=r"expected pairs \(str, bytes\), found \((str|bytes), "):
        pipeline.run()


def test_windows_are_refused() -> None:
    pipeline = beam.Pipeline(runner=FnApiRunner())
    pairs = pipeline | beam.Create([("a", b"")]) | beam.WindowInto(FixedWindows(1))
    with pytest.raises(ValueError, match="expects its input in the global window"):
        pairs | DecodeAndPreprocess()
