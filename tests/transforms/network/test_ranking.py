"""From logits to a prediction."""

from __future__ import annotations

import numpy as np
import pytest

from tests.helpers.inference import coarse_pixels, image_of
from transforms.flags import Flags
from transforms.network.label_map import LabelMap
from transforms.network.litert import LiteRtModel, LiteRtModelHandler
from transforms.network.network import Network
from transforms.network.ranking import mean_logits, softmax, top_classes
from transforms.network.scoring import Scoring
from transforms.records import Failure, Prediction


def test_prediction_fields_agree_with_the_logits(model: Network) -> None:
    pixels = coarse_pixels(1)
    handler = LiteRtModelHandler(model, Scoring(top_k=3))
    (row,) = handler.run_inference([image_of(7, pixels[0])], handler.load_model())
    assert isinstance(row, Prediction)
    logits, features = LiteRtModel(model.content).run(pixels)
    order = sorted(range(1001), key=lambda class_id: (-logits[0, class_id], class_id))
    powers = np.exp(logits[0].astype(np.float64))
    assert row.top_class_ids == order[:3]
    np.testing.assert_allclose(row.top_scores, (powers / powers.sum())[order[:3]], rtol=1e-6)
    assert (row.class_id, row.score, row.label) == (order[0], row.top_scores[0], row.top_labels[0])
    np.testing.assert_array_equal(row.embedding, features[0])
    assert row.embedding.dtype == np.float32
    assert (row.uri, row.sha256, row.meta) == ("/7.jpg", "ab" * 32, '{"n": 1}')
    assert (row.size, row.version) == (9, "17")
    assert (row.width, row.height, row.format) == (500, 375, "JPEG")


def test_every_column_has_a_value_where_everything_is_known(model: Network) -> None:
    """So that a new column, which is nullable, is not forgotten by whoever computes it."""
    own = LabelMap(("anything",), (0,) * 1001)
    handler = LiteRtModelHandler(model, Scoring(label_map=own))
    images = [image_of(0, coarse_pixels(1)[0])._replace(flags=Flags(*[False] * 7))]
    (row,) = handler.run_inference(images, handler.load_model())
    assert [name for name, value in row._asdict().items() if value is None] == []


def test_one_bad_image_does_not_take_its_batch_along(model: Network) -> None:
    batch = [image_of(number, pixels) for number, pixels in enumerate(coarse_pixels(5))]
    batch[2] = image_of(2, np.zeros((64, 64, 3), np.uint8))
    handler = LiteRtModelHandler(model)
    results = handler.run_inference(batch, handler.load_model())
    assert [type(result) for result in results] == [
        Prediction,
        Prediction,
        Failure,
        Prediction,
        Prediction,
    ]
    assert [result.uri for result in results] == [f"/{number}.jpg" for number in range(5)]
    failed = results[2]
    assert isinstance(failed, Failure)
    assert (failed.stage, failed.reason) == ("infer", "inference_error")


def test_equal_logits_rank_by_class_id() -> None:
    logits = np.array([[1.0, 3.0, 2.0, 3.0], [0.0, 0.0, 0.0, 0.0]], np.float32)
    assert top_classes(logits, k=3).tolist() == [[1, 3, 2], [0, 1, 2]]


def test_several_views_are_averaged(model: Network) -> None:
    usual, closer = coarse_pixels(64), coarse_pixels(64, seed=1)
    runner = LiteRtModel(model.content)
    two = [runner.run(usual), runner.run([pixels[:, ::-1] for pixels in usual])]
    four = [*two, runner.run(closer), runner.run([pixels[:, ::-1] for pixels in closer])]
    stacks = [np.stack(pair) for pair in zip(usual, closer, strict=True)]
    for views, looks, pixels in ((2, two, usual), (4, four, stacks)):
        scores = np.mean([softmax(logits).astype(np.float64) for logits, _ in looks], axis=0)
        features = np.mean([features for _, features in looks], axis=0)
        handler = LiteRtModelHandler(model, Scoring(top_k=1001, views=views))
        batch = [image_of(number, each) for number, each in enumerate(pixels)]
        rows = handler.run_inference(batch, handler.load_model())
        for row, expected, embedding in zip(rows, scores, features, strict=True):
            assert isinstance(row, Prediction)
            assert row.class_id == expected.argmax()
            np.testing.assert_allclose(row.top_scores, expected[row.top_class_ids], rtol=1e-5)
            np.testing.assert_allclose(row.embedding, embedding, rtol=1e-6)
            assert row.embedding.dtype == np.float32


def test_a_picture_and_its_mirror_image_are_one_to_two_views(model: Network) -> None:
    (pixels,) = coarse_pixels(1)
    handler = LiteRtModelHandler(model, Scoring(views=2))
    batch = [image_of(0, pixels), image_of(1, np.ascontiguousarray(pixels[:, ::-1]))]
    one, other = handler.run_inference(batch, handler.load_model())
    assert isinstance(one, Prediction)
    assert isinstance(other, Prediction)
    assert one.top_scores == other.top_scores
    np.testing.assert_array_equal(one.embedding, other.embedding)


@pytest.mark.parametrize("views", [1, 2])
def test_a_temperature_changes_scores_but_not_their_order(model: Network, views: int) -> None:
    batch = [image_of(0, coarse_pixels(1)[0])]
    rows = {}
    for temperature in (1.0, 2.0):
        how = Scoring(top_k=1001, views=views, temperature=temperature)
        handler = LiteRtModelHandler(model, how)
        (row,) = handler.run_inference(batch, handler.load_model())
        assert isinstance(row, Prediction)
        rows[temperature] = row
    assert rows[2.0].top_class_ids == rows[1.0].top_class_ids
    roots = np.sqrt(rows[1.0].top_scores)  # softmax(logits / 2)
    np.testing.assert_allclose(rows[2.0].top_scores, roots / roots.sum(), rtol=1e-4)


def test_the_mean_of_softmaxes_is_a_softmax() -> None:
    views = [np.log(np.array([[0.9, 0.1]], np.float32)), np.log(np.array([[0.3, 0.7]], np.float32))]
    np.testing.assert_allclose(softmax(mean_logits(views)), [[0.6, 0.4]], rtol=1e-6)
    huge = [np.array([[2000.0, 0.0]], np.float32)] * 2
    np.testing.assert_allclose(softmax(mean_logits(huge)), [[1.0, 0.0]])


def test_softmax_adds_up_and_does_not_overflow() -> None:
    scores = softmax(np.array([[0.0, 0.0], [1000.0, 0.0], [0.0, np.log(3.0)]], np.float32))
    np.testing.assert_allclose(scores, [[0.5, 0.5], [1.0, 0.0], [0.25, 0.75]], rtol=1e-6)
    assert scores.dtype == np.float32
