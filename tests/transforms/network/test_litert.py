"""The network in LiteRT."""

from __future__ import annotations

import dataclasses
import pickle
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from tests.helpers.inference import coarse_pixels, image_of
from transforms.network.litert import LiteRtModel, LiteRtModelHandler
from transforms.network.network import Network
from transforms.network.ranking import BATCH_SIZE


def test_a_picture_gets_the_same_result_in_every_batch(model: Network) -> None:
    pixels = coarse_pixels(70)
    runner = LiteRtModel(model.content)
    logits, features = runner.run(pixels[:BATCH_SIZE])
    assert logits.shape == (64, 1001)
    assert features.shape == (64, 256)
    assert len({row.tobytes() for row in logits}) == 64
    for size in (1, 2, 7):
        again = runner.run(pixels[10 : 10 + size])
        np.testing.assert_array_equal(again[0], logits[10 : 10 + size])
        np.testing.assert_array_equal(again[1], features[10 : 10 + size])


def test_threads_do_not_disturb_each_other(model: Network) -> None:
    runner = LiteRtModel(model.content, batch_size=8)
    batches = [coarse_pixels(8, seed=seed) for seed in range(8)]
    alone = [runner.run(batch) for batch in batches]
    start = threading.Barrier(4)

    def repeat(first: int) -> None:
        start.wait()
        for step in range(40):
            number = (first + step) % len(batches)
            logits, features = runner.run(batches[number])
            np.testing.assert_array_equal(logits, alone[number][0])
            np.testing.assert_array_equal(features, alone[number][1])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(repeat, range(4)))


def test_the_model_can_be_shared_and_the_handler_shipped(model: Network) -> None:
    handler = LiteRtModelHandler(model)
    loaded = handler.load_model()
    assert weakref.ref(loaded)() is loaded
    copy = pickle.loads(pickle.dumps(handler))
    assert (
        copy.run_inference([image_of(0, coarse_pixels(1)[0])], copy.load_model())[0].uri == "/0.jpg"
    )


def test_a_model_in_a_file_is_shipped_without_its_content(model: Network, tmp_path: Path) -> None:
    path = tmp_path / "model"
    path.write_bytes(model.content)
    handler = LiteRtModelHandler(dataclasses.replace(model, path=str(path)))
    shipped = pickle.dumps(handler)
    assert len(shipped) < len(model.content) / 100
    logits, _ = pickle.loads(shipped).load_model().run(coarse_pixels(1))
    np.testing.assert_array_equal(logits, LiteRtModel(model.content).run(coarse_pixels(1))[0])
