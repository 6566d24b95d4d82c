from __future__ import annotations

from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.testing.util import assert_that
from apache_beam.transforms.window import FixedWindows

from tests.helpers.archives import write_tar
from tests.helpers.encoded import encoded
from transforms.images.load_and_preprocess import LoadAndPreprocess
from transforms.records import ImageRef


def test_every_picture_and_member_becomes_an_image_or_a_failure(tmp_path: Path) -> None:
    data = encoded(np.full((30, 20, 3), 7, np.uint8), "PNG")
    (tmp_path / "a.png").write_bytes(data)
    (tmp_path / "b.png").write_bytes(b"words")
    write_tar(tmp_path / "c.tar", [("d.png", data), ("e.txt", b"x"), ("f.png", b"words")])
    names = ("a.png", "b.png", "c.tar")

    def images(found: list[Any]) -> None:
        assert sorted((each.ref.uri, each.pixels.shape) for each in found) == [
            (f"{tmp_path}/a.png", (160, 160, 3)),
            (f"{tmp_path}/c.tar#d.png", (160, 160, 3)),
        ]

    def failures(found: list[Any]) -> None:
        assert sorted((each.uri, each.reason) for each in found) == [
            (f"{tmp_path}/b.png", "unknown_format"),
            (f"{tmp_path}/c.tar#f.png", "unknown_format"),
        ]

    def tally(found: list[tuple[str, int]]) -> None:
        sums = {name: sum(count for each, count in found if each == name) for name, _ in found}
        assert sums == {"entries": 1, "inputs": 1, "skipped": 1, "unread": -1}

    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        refs = pipeline | beam.Create([ImageRef(str(tmp_path / name)) for name in names])
        loaded = refs | LoadAndPreprocess(size=160)
        assert_that(loaded.images, images, label="images")
        assert_that(loaded.failures, failures, label="failures")
        assert_that(loaded.tally, tally, label="tally")


def test_windows_are_refused() -> None:
    pipeline = beam.Pipeline(runner=FnApiRunner())
    refs = pipeline | beam.Create([ImageRef("/a.jpg")]) | beam.WindowInto(FixedWindows(1))
    with pytest.raises(ValueError, match="expects its input in the global window"):
        refs | LoadAndPreprocess()


def test_an_unknown_setting_is_refused() -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'width'"):
        LoadAndPreprocess(width=160)  # type: ignore[call-arg]
