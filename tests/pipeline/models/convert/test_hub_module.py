"""Hub modules in TF1 format: converted once, found again by their content, or run as they are."""

from __future__ import annotations

import hashlib
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from pipeline import load_model, load_network
from pipeline.cli import main
from pipeline.models.float_module import folder
from pipeline.models.hints import NetworkHints
from pipeline.run.folder.finished import open_run
from tests.helpers.pictures import block_pictures
from tests.helpers.tf1_module import SIZE, write_module
from transforms.errors import UserError
from transforms.images.preprocess import unit_range
from transforms.network.classes import Classes

FIVE = NetworkHints(classes=Classes.own(["a", "b", "c", "d", "e"]))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("QUANTLABEL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "models"


@pytest.fixture
def names(tmp_path: Path) -> Path:
    path = tmp_path / "names.txt"
    path.write_text("a\nb\nc\nd\ne\n", "utf-8")
    return path


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_module(tmp_path_factory.mktemp("hub") / "quantops")


def test_a_module_is_converted_once_and_found_by_its_content(
    module: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = load_network(str(module), hints=FIVE)
    name = f"module_{folder.sha256(module)}_tensorflow_{tf.__version__}"
    kept = cache / f"{name}.tflite"
    assert made.note.startswith(
        f"quantops: converted once, kept at {kept}: 256 of 256 first classes over"
    )
    assert (made.kind, made.name, made.outputs) == ("tflite", "quantops", "logits")
    assert made.sha256 == hashlib.sha256(kept.read_bytes()).hexdigest()
    assert (made.input_size, made.feature_size) == (32, 16)
    monkeypatch.setitem(sys.modules, "tensorflow", None)  # what an import that fails leaves
    found = load_network(str(module), hints=FIVE)
    assert (found.note, found.sha256, found.content) == ("", made.sha256, made.content)


def test_it_says_what_its_own_graph_says(module: Path, names: Path) -> None:
    images = unit_range(block_pictures(100, size=SIZE, seed=3))
    model = load_model(str(module), classes=str(names))
    own = tf.saved_model.load(str(module), tags=[]).signatures
    logits, vectors = (
        own[f"image_{kind}"](images=tf.constant(images))["default"].numpy()
        for kind in ("classification", "feature_vector")
    )
    assert len(set(logits.argmax(axis=1))) > 1
    np.testing.assert_array_equal(model(images).argmax(axis=1), logits.argmax(axis=1))
    assert np.abs(model.image_feature_vector(images) - vectors).max() < 6 / 255  # a step


def test_a_run_names_what_ran(
    module: Path, names: Path, cache: Path, photos: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    rows = cache.parent / "rows"
    words = ["label", "--input", photos, "--output", rows, "--model", module, "--classes", names]
    assert main([*map(str, words)]) == 0
    assert "quantops: converted once, kept at " in " ".join(capfd.readouterr().err.split())
    (kept,) = cache.glob("*.tflite")
    model = open_run(str(rows)).manifest.model
    assert (model.kind, model.name) == ("tflite", "quantops")
    assert model.sha256 == hashlib.sha256(kept.read_bytes()).hexdigest()
    assert main([*map(str, words), "--resume"]) == 0
    assert "converted once" not in capfd.readouterr().err
    assert main(["verify", str(rows)]) == 0


def test_one_without_logits_gives_its_vectors(tmp_path: Path) -> None:
    network = load_network(str(write_module(tmp_path / "vectors", with_logits=False)))
    assert "256 of 256 nearest vectors" in network.note
    assert (network.kind, network.outputs, network.feature_size) == ("tflite", "features", 16)
    with pytest.raises(UserError, match="it gives feature vectors and no classes; leave out"):
        load_network(str(tmp_path / "vectors"), hints=FIVE)


def test_what_the_converter_makes_otherwise_runs_as_it_is(tmp_path: Path, cache: Path) -> None:
    """The last digits decide here, and TensorFlow and LiteRT round them each in their own way."""
    module = write_module(tmp_path / "chaos", last=lambda logits: tf.sin(logits * 1e6))
    network = load_network(str(module), hints=FIVE)
    assert (network.kind, network.sha256) == ("savedmodel", folder.sha256(module))
    assert network.note.startswith("chaos: TensorFlow runs its own graph, it was not converted (")
    (reason,) = cache.glob("*.txt")
    reason.write_text("it was tried before", "utf-8")
    again = load_network(str(module), hints=FIVE)
    assert again.note == "chaos: TensorFlow runs its own graph, it was tried before"


def test_a_damaged_one_is_one_line(module: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(module, copy)
    (data,) = copy.glob("variables/*.data*")
    data.write_bytes(data.read_bytes()[:100])
    with pytest.raises(UserError, match=r"copy: TensorFlow cannot run it \(.*Fetch it again\.$"):
        load_network(str(copy), hints=FIVE)


def test_without_a_cache_it_runs_as_it_is(module: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUANTLABEL_CACHE", "/proc/none")  # where not even root may write
    network = load_network(str(module), hints=FIVE)
    assert network.kind == "savedmodel"
    assert "it was not converted (cannot use the cache folder" in network.note


def test_the_hash_is_that_of_the_module(module: Path) -> None:
    with pytest.raises(UserError, match=r"has sha256 [0-9a-f]{64} over all its files, not 0000"):
        load_network(str(module), sha256="0" * 64, hints=FIVE)
    found = folder.sha256(module)
    assert load_network(str(module), sha256=found, hints=FIVE).sha256 != found
