from __future__ import annotations

import pickle

import numpy as np
from PIL import Image

from transforms.network.pixel_values import PixelValues

PIXELS = np.array([[[0, 128, 255], [10, 20, 30]]], np.uint8)


def test_bytes_stay_what_they_are() -> None:
    values = PixelValues()
    assert values.are_bytes
    assert values.encode(PIXELS) is PIXELS
    assert values.in_words() == "the byte"


def test_int8_takes_bytes_less_128() -> None:
    values = PixelValues(dtype="int8", zero_point=-128)
    assert values.encode(PIXELS).tolist() == [[[-128, 0, 127], [-118, -108, -98]]]
    assert values.encode(PIXELS).dtype == np.int8
    assert values.in_words() == "the byte - 128"


def test_float_is_normalized_channel_by_channel() -> None:
    values = PixelValues(dtype="float32", mean=(0.0, 128.0, 5.0), std=(1.0, 2.0, 250.0))
    assert values.encode(PIXELS).tolist() == [[[0, 0, 1], [10, -54, np.float32(0.1)]]]
    assert values.in_words() == "(byte - [0, 128, 5]) / [1, 2, 250]"


def test_codes_are_rounded_and_kept_in_range() -> None:
    values = PixelValues(mean=(127.5,), std=(127.5,), scale=0.01, zero_point=100)
    assert values.encode(PIXELS).tolist() == [[[0, 100, 200], [8, 16, 24]]]
    assert values.in_words() == "(byte - 127.5) / 127.5, in steps of 0.01 from code 100"


def test_brightness_is_that_of_pillow() -> None:
    pixels = np.random.RandomState(0).randint(0, 256, (16, 16, 3)).astype(np.uint8)
    found = PixelValues(channels=1).encode(pixels)
    assert found.shape == (16, 16, 1)
    assert np.array_equal(found[..., 0], np.asarray(Image.fromarray(pixels).convert("L")))


def test_it_travels() -> None:
    values = PixelValues(dtype="float32", mean=(127.5,), std=(127.5,))
    _ = values.encode(PIXELS)
    assert pickle.loads(pickle.dumps(values)) == values
