"""Crops and kernels against values worked out by hand, and against the reference pixels."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from tests.helpers.encoded import encoded, orientation_exif, waves
from transforms.errors import UsageError
from transforms.failures import ImageError
from transforms.images.decode import decode
from transforms.images.pixels import Scratch
from transforms.images.preprocess import load, preprocess, unit_range
from transforms.images.settings import METHODS, Method


def _grey(rows: list[list[int]]) -> npt.NDArray[np.uint8]:
    """Three different channels: the values, and 1 and 2 more."""
    values: npt.NDArray[np.uint8] = (np.array(rows)[..., None] + np.arange(3)).astype(np.uint8)
    return values


def _grid(height: int, width: int) -> npt.NDArray[np.uint8]:
    """Red is the column, green the row."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([x, y, 0 * x], axis=-1).astype(np.uint8)


# --- the kernel


def test_legacy_bilinear_by_hand() -> None:
    """Eval crops 4 x 4 to 3 x 3 at the top left; size 2 samples positions 0 and 1.5 of it."""
    pixels = _grey([[0, 10, 20, 99], [40, 50, 62, 99], [80, 91, 100, 99], [99, 99, 99, 99]])
    # (50 + 62 + 91 + 100) / 4 = 75.75, truncated.
    expected = _grey([[0, 15], [60, 75]])
    np.testing.assert_array_equal(preprocess(pixels, size=2), expected)


def test_enlarging_by_hand() -> None:
    """Slim keeps all of 2 x 2; size 4 samples positions 0, 0.5, 1 and 1.5, the last held back."""
    expected = _grey(
        [[0, 50, 100, 100], [100, 125, 150, 150], [200, 200, 200, 200], [200, 200, 200, 200]]
    )
    pixels = preprocess(_grey([[0, 100], [200, 200]]), size=4, method="slim")
    np.testing.assert_array_equal(pixels, expected)


def test_the_kernel_never_reads_beyond_the_crop() -> None:
    pixels = np.zeros((8, 8, 3), np.uint8)
    pixels[7:, :] = pixels[:, 7:] = 255
    assert not preprocess(pixels, size=14).any()


# --- crops


def test_a_form_that_is_no_square_is_cut_from_the_middle_as_large_as_it_fits() -> None:
    """In 64 x 32 the largest 4:1 is 64 x 16; 7/8 of it are 56 x 14."""
    pixels = preprocess(_grid(64, 32), size=28, columns=7)
    np.testing.assert_array_equal(pixels[:, 0, 1], np.arange(4, 60, 2))
    np.testing.assert_array_equal(pixels[0, :, 0], np.arange(9, 23, 2))
    across = preprocess(_grid(32, 64), size=7, columns=28)
    np.testing.assert_array_equal(across[:, 0, 1], np.arange(9, 23, 2))
    np.testing.assert_array_equal(across[0, :, 0], np.arange(4, 60, 2))


@pytest.mark.parametrize("method", METHODS)
def test_every_method_gives_the_form_that_is_wanted(method: Method) -> None:
    data = encoded(waves(60, 90), "PNG")
    pixels = load(data, size=20, columns=33, method=method).pixels
    assert pixels.shape == (20, 33, 3)
    if method != "stretch":
        crops = load(encoded(waves(60, 90), "JPEG"), size=20, columns=33, method=method, views=4)
        assert crops.pixels.shape == (2, 20, 33, 3)


def test_eval_takes_a_central_square_and_rounds_down() -> None:
    """12 * 0.875 = 10.5; (21 - 10) / 2 = 5.5."""
    pixels = preprocess(_grid(12, 21), size=10)
    assert pixels[0, :, 0].tolist() == list(range(5, 15))
    assert pixels[:, 0, 1].tolist() == list(range(1, 11))


def test_slim_takes_the_same_share_of_each_side() -> None:
    """TF-Slim drops 16 // 16 = 1 row and 32 // 16 = 2 columns at each edge."""
    pixels = preprocess(_grid(16, 32), size=14, method="slim")
    assert pixels[0, :, 0].tolist() == list(range(2, 30, 2))
    assert pixels[:, 0, 1].tolist() == list(range(1, 15))


def test_a_closer_crop_keeps_fewer_eighths() -> None:
    """16 * 0.75 = 12 of the square; slim drops 32 // 8 / 2 = 4 of 32 columns at each edge."""
    pixels = preprocess(_grid(16, 32), size=12, eighths=6)
    assert pixels[0, :, 0].tolist() == list(range(10, 22))
    assert pixels[:, 0, 1].tolist() == list(range(2, 14))
    pixels = preprocess(_grid(16, 32), size=12, method="slim", eighths=6)
    assert pixels[0, :, 0].tolist() == list(range(4, 28, 2))
    assert pixels[:, 0, 1].tolist() == list(range(2, 14))


@pytest.mark.parametrize("views", [1, 2, 4])
def test_four_views_are_two_crops(views: int) -> None:
    data = encoded(waves(60, 90), "PNG")
    pixels = load(data, size=32, views=views).pixels
    usual, closer = (
        preprocess(waves(60, 90), size=32),
        preprocess(waves(60, 90), size=32, eighths=6),
    )
    assert not np.array_equal(usual, closer)
    np.testing.assert_array_equal(pixels, [usual, closer] if views == 4 else usual)


def test_stretch_is_what_image_resize_does_by_itself() -> None:
    pixels = waves(60, 90)
    expected = np.asarray(Image.fromarray(pixels).resize((32, 32)))
    np.testing.assert_array_equal(preprocess(pixels, size=32, method="stretch"), expected)


def test_stretch_nearest_takes_the_pixel_at_the_centre() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (8, 12, 3), np.uint8)
    nearest = preprocess(pixels, size=4, method="stretch-nearest")
    np.testing.assert_array_equal(nearest, pixels[1::2, 1::3])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shape", [(1, 1), (1, 5000), (5000, 1), (2, 3), (127, 129), (300, 200)])
@pytest.mark.parametrize("size", [1, 128, 160])
def test_every_shape_becomes_a_square(method: Method, shape: tuple[int, int], size: int) -> None:
    pixels = preprocess(np.full((*shape, 3), 77, np.uint8), size=size, method=method)
    assert pixels.shape == (size, size, 3)
    assert pixels.dtype == np.uint8
    assert pixels.flags.c_contiguous
    assert (pixels == 77).all()


@pytest.mark.parametrize("method", METHODS)
def test_strides_make_no_difference(method: Method) -> None:
    turned = waves(61, 90).swapaxes(0, 1)[::-1, ::-1]
    np.testing.assert_array_equal(
        preprocess(turned, size=32, method=method),
        preprocess(np.ascontiguousarray(turned), size=32, method=method),
    )


def test_the_picture_itself_is_left_alone() -> None:
    pixels = waves(60, 90)
    pixels.flags.writeable = False
    for method in METHODS:
        preprocess(pixels, size=32, method=method)
    np.testing.assert_array_equal(pixels, waves(60, 90))


def test_an_unknown_method_is_a_mistake_of_the_user() -> None:
    with pytest.raises(UsageError, match="'squash': expected one of eval, slim, stretch"):
        preprocess(waves(9, 9), method="squash")  # type: ignore[arg-type]


# --- large pictures


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("orientation", [1, 6])
def test_a_large_jpeg_is_sampled_at_its_full_size(method: Method, orientation: int) -> None:
    """128 times as large as the input on its shorter side, and every other column black."""
    pixels = np.zeros((1024, 1536, 3), np.uint8)
    pixels[:, ::2] = 255
    data = encoded(pixels, "JPEG", quality=95, exif=orientation_exif(orientation))
    picture = load(data, size=8, method=method)
    full = decode(data)
    assert full.pixels.size == 1024 * 1536 * 3
    np.testing.assert_array_equal(picture.pixels, preprocess(full.pixels, size=8, method=method))
    assert (picture.width, picture.height) == ((1536, 1024) if orientation < 5 else (1024, 1536))
    assert picture.format == "JPEG"


# --- load, unit_range


@pytest.mark.parametrize("method", METHODS)
def test_the_result_of_load_outlives_scratch_memory(method: Method) -> None:
    scratch = Scratch()
    first = load(encoded(waves(40, 60), "JPEG"), size=16, method=method, scratch=scratch).pixels
    kept = first.copy()
    load(encoded(np.zeros((40, 60, 3), np.uint8), "JPEG"), size=16, method=method, scratch=scratch)
    assert np.array_equal(first, kept)


def test_load_gives_pixels_and_what_is_known_of_the_picture() -> None:
    picture = load(encoded(waves(60, 90), "PNG"), size=32, method="slim")
    np.testing.assert_array_equal(picture.pixels, preprocess(waves(60, 90), size=32, method="slim"))
    assert picture[1:] == (90, 60, "PNG", "none")


def test_load_refuses_what_cannot_be_decoded() -> None:
    with pytest.raises(ImageError, match="limit of 5399"):
        load(encoded(waves(60, 90), "PNG"), max_pixels=5399)


def test_unit_range() -> None:
    values = unit_range(np.array([0, 51, 128, 255], np.uint8))
    assert values.dtype == np.float32
    assert values.tolist() == [0.0, np.float32(0.2), np.float32(128 / 255), 1.0]


# --- reference data


def test_the_reference_pixels_are_reproduced(shared: Path) -> None:
    golden = np.load(shared / "golden" / "eval_tool.npz")
    for name, expected in zip(golden["files"], golden["images"], strict=True):
        data = (shared / "images" / "ilsvrc" / str(name)).read_bytes()
        pixels = load(data, colour="ignore").pixels  # fifteen have another profile than sRGB
        np.testing.assert_array_equal(pixels, expected, err_msg=str(name))


def test_coral_published_check(shared: Path) -> None:
    """Their picture, stretched by nearest neighbour: tiger cat, 283, with at least 0.25."""
    interpreter_module = pytest.importorskip("ai_edge_litert.interpreter")
    model = shared / "models" / "mobilenet_v1_0.25_128_quant.tflite"
    interpreter = interpreter_module.Interpreter(str(model), num_threads=1)
    interpreter.allocate_tensors()
    picture = load((shared / "images" / "cat.bmp").read_bytes(), method="stretch-nearest")
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], picture.pixels[None])
    interpreter.invoke()
    output = interpreter.get_output_details()[0]
    scores = interpreter.get_tensor(output["index"])[0] * output["quantization"][0]
    assert int(scores.argmax()) == 283
    assert scores.max() >= 0.25


def test_a_picture_of_one_row_and_millions_of_columns_takes_no_more_than_itself() -> None:
    """The rows that the kernel reads, with all columns between them, would be 256 times as much."""
    row = np.arange(3 * 160_000, dtype=np.uint32).astype(np.uint8).reshape(1, 160_000, 3)
    tracemalloc.start()
    wide = preprocess(row, size=128, method="slim")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8_000_000
    columns = 10_000 + np.arange(128) * np.float32(140_000) / 128  # sixteenths from either side
    left = columns.astype(int)
    weight = (columns - left)[:, None].astype(np.float32)
    low, high = row[0, left].astype(np.float32), row[0, left + 1].astype(np.float32)
    assert (wide == (low + (high - low) * weight).astype(np.uint8)).all()


def test_an_unknown_setting_is_refused() -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'width'"):
        load(b"", width=160)  # type: ignore[call-arg]
