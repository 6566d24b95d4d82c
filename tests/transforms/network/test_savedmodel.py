"""The float network in a labelling run: the same rows as the tflite that it was made of."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from pipeline.cli import main
from pipeline.models.load import load_network
from pipeline.models.tflite.load import load
from pipeline.models.tflite.stand_in import stand_in
from tests.helpers.pictures import block_pictures
from transforms.errors import UserError
from transforms.network.classify_images import model_handler
from transforms.network.litert import LiteRtModel
from transforms.network.savedmodel import SavedModel, SavedModelHandler
from transforms.network.scoring import Scoring
from transforms.records import Failure, Image, ImageRef


def _rows(folder: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(
        folder / "predictions-00000-of-00001.parquet"
    ).to_pylist()
    return sorted(rows, key=lambda row: row["uri"])


def test_a_run_gives_the_rows_of_the_tflite(
    photos: Path, saved_model: Path, stand_in_file: Path, tmp_path: Path
) -> None:
    (photos / "empty.jpg").write_bytes(b"")
    for name, model in (("float", saved_model), ("tflite", stand_in_file)):
        words = ["--input", photos, "--output", tmp_path / name, "--model", model]
        assert main(["label", "--quiet", *map(str, words)]) == 0
    for found, expected in zip(_rows(tmp_path / "float"), _rows(tmp_path / "tflite"), strict=True):
        assert found == expected
    manifest = json.loads((tmp_path / "float/_MANIFEST.json").read_text("utf-8"))
    assert (manifest["predictions"], manifest["failures"]) == (10, 1)
    model = manifest["model"]
    assert (model["name"], model["kind"]) == ("stand-in-float", "savedmodel")
    assert (model["input_size"], model["feature_size"]) == (128, 256)
    metadata = pq.read_schema(tmp_path / "float/predictions-00000-of-00001.parquet").metadata
    assert metadata[b"quantlabel.model_sha256"].decode() == model["sha256"]


def test_the_handler_travels_with_the_model(saved_model: Path) -> None:
    handler = model_handler(load_network(str(saved_model)), Scoring(top_k=3))
    assert isinstance(handler, SavedModelHandler)
    travelled = pickle.dumps(handler)
    assert len(travelled) < 1_500_000  # of 2.7 MB: the weights have 255 values a layer
    copy = pickle.loads(travelled)
    model = copy.load_model()
    image = Image(ImageRef("/a.jpg"), "ab" * 32, 5, 5, "JPEG", block_pictures(1)[0])
    (prediction,) = copy.run_inference([image], model)
    logits, features = LiteRtModel(load(stand_in(), name="x").content).run([image.pixels])
    assert prediction.class_id == logits[0].argmax()
    assert len(prediction.top_class_ids) == 3
    np.testing.assert_allclose(prediction.embedding, features[0], atol=1e-5)


def test_a_picture_of_another_size_is_one_failure(saved_model: Path) -> None:
    handler = model_handler(load_network(str(saved_model)), Scoring(top_k=5))
    model = handler.load_model()
    pixels = [*block_pictures(1), *block_pictures(1, size=160)]
    batch = [Image(ImageRef(f"/{n}.jpg"), "", 5, 5, "JPEG", p) for n, p in enumerate(pixels)]
    good, bad = handler.run_inference(batch, model)
    assert good.uri == "/0.jpg"
    assert isinstance(bad, Failure)
    assert (bad.uri, bad.stage, bad.reason) == ("/1.jpg", "infer", "inference_error")


def test_without_the_signature_of_both_heads_it_is_called_twice(saved_model: Path) -> None:
    model = SavedModel(load_network(str(saved_model)).content)
    once = model.run(list(block_pictures(2)))
    model._signatures = {
        name: model._signatures[name] for name in ("image_classification", "image_feature_vector")
    }
    for found, expected in zip(model.run(list(block_pictures(2))), once, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_the_hash_can_be_demanded(saved_model: Path) -> None:
    model = load_network(str(saved_model))
    assert load_network(str(saved_model), sha256=model.sha256) == model
    with pytest.raises(UserError, match=f"has sha256 {model.sha256} over all its files, not 00"):
        load_network(str(saved_model), sha256="00" * 32)


@pytest.mark.parametrize(
    ("python", "message"),
    [
        ((3, 13), "this needs tensorflow, an extra: pip install 'quantlabel[tensorflow]'"),
        (
            (3, 14),
            "this needs tensorflow, which is made for Python 3.11 to 3.13, and this is Python "
            "3.14: in an environment with one of those pip install 'quantlabel[tensorflow]'",
        ),
    ],
)
@pytest.mark.parametrize(
    "command", [["label", "--input", __file__, "--output", "out", "--model"], ["model", "info"]]
)
def test_without_tensorflow_there_is_one_line_that_says_how_to_get_it(
    tmp_path: Path, command: list[str], python: tuple[int, int], message: str
) -> None:
    # No more than a command looks at before it imports tensorflow, which not every Python has.
    saved_model = tmp_path / "model"
    saved_model.mkdir()
    (saved_model / "saved_model.pb").touch()
    script = f"""
import sys
import apache_beam
import transforms.network.savedmodel
sys.version_info = {python}
sys.modules["tensorflow"] = None  # what an import that fails leaves
from pipeline.cli import main
sys.exit(main([*{command}, {str(saved_model)!r}]))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"quantlabel: {message}\n"
