"""Networks from TF-Slim checkpoints and TF1-format hub modules, as TensorFlow 1 wrote them.

The network of the tests is written down a second time here, the way TF-Slim and contrib.quantize
built it, and gives the answers to compare with.
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tensorflow as tf

from pipeline import load_model
from pipeline.cli import main
from pipeline.models.float_module.float_network import Range
from pipeline.models.float_module.graph import FloatModule
from pipeline.models.float_module.source import read_network
from pipeline.models.float_module.tflite import to_tflite
from pipeline.run.folder.finished import open_run
from tests.helpers.http_server import Reply, serve
from tests.helpers.pictures import block_pictures
from tests.helpers.tf1_module import SIZE, write_module, write_signatures
from transforms.errors import UsageError, UserError
from transforms.images.preprocess import load, unit_range

v1 = tf.compat.v1

BLOCKS = [(1, 64), (2, 128), (1, 128), (2, 256), (1, 256), (2, 512)]
BLOCKS += [(1, 512)] * 5 + [(2, 1024), (1, 1024)]
MULTIPLIER = 0.25
NAME = "mobilenet_v1_0.25_128_quant.ckpt"
IMAGES = unit_range(block_pictures(8))


class Slim:
    """MobileNet V1 as a TensorFlow 1 graph with seeded weights.

    Args:
        quantized: whether contrib.quantize instruments it.
    """

    def __init__(self, *, quantized: bool) -> None:
        self._random = np.random.RandomState(3)
        self._quantized = quantized

    def logits_and_features(self, images: Any) -> tuple[Any, Any]:
        """The inference graph of images in [-1, 1]."""
        x = self._layer(images, "Conv2d_0", depth=32, kernel=3, stride=2)
        for number, (stride, depth) in enumerate(BLOCKS, start=1):
            x = self._layer(x, f"Conv2d_{number}_depthwise", depth=None, kernel=3, stride=stride)
            x = self._layer(x, f"Conv2d_{number}_pointwise", depth=depth, kernel=1, stride=1)
        features = tf.reduce_mean(x, [1, 2], keepdims=True)
        scope = "MobilenetV1/Logits/Conv2d_1c_1x1"
        weights = self._variable(f"{scope}/weights", self._filters((1, 1, 256, 1001)))
        biases = self._variable(f"{scope}/biases", self._random.uniform(-1, 1, 1001))
        weights = self._fake_quant(weights, f"{scope}/weights_quant", narrow=True)
        logits = tf.nn.conv2d(features, weights, 1, "SAME") + biases
        logits = self._fake_quant(logits, f"{scope}/act_quant", bounds=(-9.5, 12.25))
        return tf.squeeze(logits, [1, 2]), tf.squeeze(features, [1, 2])

    def _layer(self, x: Any, name: str, *, depth: int | None, kernel: int, stride: int) -> Any:
        """Convolution, batch normalization folded as contrib.quantize folds it, ReLU6."""
        scope, channels = f"MobilenetV1/{name}", int(x.shape[3])
        out = channels if depth is None else max(int(depth * MULTIPLIER), 8)
        shape = (kernel, kernel, channels, 1 if depth is None else out)
        kind = "depthwise_weights" if depth is None else "weights"
        weights = self._variable(f"{scope}/{kind}", self._filters(shape, positive=depth is None))
        norm = {
            "gamma": self._random.uniform(0.8, 1.2, out),
            "beta": self._random.uniform(-0.2, 0.4, out),
            "moving_mean": self._random.uniform(-0.1, 0.1, out),
            "moving_variance": self._random.uniform(0.5, 1.5, out),
        }
        norm = {part: self._variable(f"{scope}/BatchNorm/{part}", v) for part, v in norm.items()}
        factor = norm["gamma"] * tf.math.rsqrt(norm["moving_variance"] + 0.001)
        folded = weights * (factor[:, tf.newaxis] if depth is None else factor)
        folded = self._fake_quant(folded, f"MobilenetV1/{scope}/weights_quant", narrow=True)
        if depth is None:
            x = tf.nn.depthwise_conv2d(x, folded, [1, stride, stride, 1], "SAME")
        else:
            x = tf.nn.conv2d(x, folded, stride, "SAME")
        x = tf.nn.relu6(x + norm["beta"] - norm["moving_mean"] * factor)
        return self._fake_quant(x, f"MobilenetV1/{scope}/act_quant", bounds=(0, 5.875))

    def _filters(self, shape: tuple[int, ...], *, positive: bool = False) -> npt.NDArray[Any]:
        values = self._random.normal(size=shape)
        if positive:  # carry the picture on, see pipeline.models.tflite.stand_in
            return np.abs(values) * 2 / 9
        centred = values - values.mean(axis=(0, 1, 2))
        scaled: npt.NDArray[Any] = centred * np.sqrt(3 / np.prod(shape[:3]))
        return scaled

    def _variable(self, name: str, value: Any) -> Any:
        return v1.get_variable(name, initializer=np.asarray(value, np.float32), use_resource=False)

    def _fake_quant(
        self, x: Any, scope: str, *, bounds: tuple[float, float] | None = None, narrow: bool = False
    ) -> Any:
        if not self._quantized:
            return x
        low, high = bounds or (-0.875, 1.0)
        minimum, maximum = self._variable(f"{scope}/min", low), self._variable(f"{scope}/max", high)
        return tf.quantization.fake_quant_with_min_max_vars(x, minimum, maximum, 8, narrow)


def _checkpoint(prefix: Path, *, quantized: bool) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Writes a checkpoint; returns the graph's own answers to the tflite's mapping of `IMAGES`."""
    with tf.Graph().as_default(), v1.Session() as session:
        images = v1.placeholder(tf.float32, [None, 128, 128, 3])
        outputs = Slim(quantized=quantized).logits_and_features(images)
        v1.get_variable("global_step", initializer=np.int64(4_000_000))
        session.run(v1.global_variables_initializer())
        v1.train.Saver().save(session, str(prefix), write_meta_graph=False)
        mapped = (np.rint(IMAGES * 255) - 128) / 128
        answers: tuple[npt.NDArray[Any], npt.NDArray[Any]] = session.run(outputs, {images: mapped})
        return answers


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the quantized checkpoint and the float one, and the answers of each."""
    folder = tmp_path_factory.mktemp("slim")
    for name, quantized in ((NAME, True), ("float.ckpt", False)):
        logits, features = _checkpoint(folder / name, quantized=quantized)
        np.savez(folder / f"{name}.npz", logits=logits, features=features)
    return folder


def test_a_float_checkpoint_gives_the_answers_of_its_graph(trained: Path) -> None:
    network = read_network(str(trained / "float.ckpt"), size=128)
    assert not network.is_quantized
    logits, features = FloatModule(network).heads(IMAGES)
    expected = np.load(trained / "float.ckpt.npz")
    np.testing.assert_allclose(logits, expected["logits"], atol=2e-4)
    np.testing.assert_allclose(features, expected["features"], atol=2e-4)
    assert np.ptp(expected["features"], axis=0).mean() > 0.1  # the pictures do differ


def test_a_quantized_checkpoint_gives_nearly_the_answers_of_its_graph(trained: Path) -> None:
    """Nearly, because the graph rounds inexact sums; see pipeline/models/float_module/graph.py."""
    network = read_network(str(trained / NAME))
    assert network.is_quantized
    assert (network.multiplier, network.size) == (0.25, 128)
    assert network.layers[0].output_range == Range(0, 5.875)
    assert network.layers[0].weight_range == Range(-0.875, 1.0)
    assert network.layers[-1].output_range == Range(-9.5, 12.25)
    logits, features = FloatModule(network).heads(IMAGES)
    expected = np.load(trained / f"{NAME}.npz")
    assert np.abs(logits - expected["logits"]).mean() < 21.75 / 255  # a step
    assert np.abs(features - expected["features"]).mean() < 5.875 / 255
    without = FloatModule(network.without_ranges()).heads(IMAGES)
    assert np.abs(without[1] - expected["features"]).mean() > 2 * 5.875 / 255


def test_export_makes_a_tflite_of_a_checkpoint(trained: Path, tmp_path: Path) -> None:
    out = tmp_path / "slim.tflite"
    words = ["--model", trained / f"{NAME}.index", "--to", "tflite", "--output", out]
    assert main(["model", "export", *map(str, words)]) == 0
    assert out.read_bytes() == to_tflite(read_network(str(trained / NAME)))


def test_without_ranges_a_tflite_needs_pictures(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--model", trained / "float.ckpt", "--size", "128", "--to", "tflite"]
    words += ["--output", tmp_path / "x"]
    assert main(["model", "export", *map(str, words)]) == 1
    assert "no quantization ranges, it was not trained for it; add --post-training" in (
        capsys.readouterr().err
    )


def test_a_checkpoint_without_a_size_in_its_name_needs_one(trained: Path) -> None:
    with pytest.raises(UsageError, match="add --size 128, 160, 192 or 224"):
        read_network(str(trained / "float.ckpt"))
    with pytest.raises(UsageError, match="input size 96 exists"):
        read_network(str(trained / "float.ckpt"), size=96)


def test_a_size_that_the_file_contradicts_is_refused(saved_model: Path) -> None:
    with pytest.raises(UsageError, match=r"--size 160: .* takes 128x128 pixels"):
        read_network(str(saved_model), size=160)


def _edited(trained: Path, prefix: Path, edit: Callable[[dict[str, Any]], None]) -> str:
    """The quantized checkpoint with other variables."""
    reader = tf.train.load_checkpoint(str(trained / NAME))
    values = {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}
    edit(values)
    with tf.Graph().as_default(), v1.Session() as session:
        for name, value in values.items():
            v1.get_variable(name, initializer=value, use_resource=False)
        session.run(v1.global_variables_initializer())
        v1.train.Saver().save(session, str(prefix), write_meta_graph=False)
    return str(prefix)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "MobilenetV1/Conv2d_5_depthwise/BatchNorm/gamma",
            r"no variable .*depthwise/BatchNorm/gamma",
        ),
        ("MobilenetV1/MobilenetV1/Conv2d_2_pointwise/act_quant/max", "1 of 112 bounds .* missing"),
        ("MobilenetV1/Conv2d_13_pointwise/weights", "no variable .*Conv2d_13_pointwise/weights"),
        ("MobilenetV1/Logits/Conv2d_1c_1x1/biases", "no variable .*Conv2d_1c_1x1/biases"),
    ],
)
def test_a_missing_variable_is_named(
    trained: Path, tmp_path: Path, name: str, message: str
) -> None:
    prefix = _edited(trained, tmp_path / NAME, lambda values: values.pop(name))
    with pytest.raises(UserError, match=message):
        read_network(prefix)


def test_a_variable_of_another_shape_is_named(trained: Path, tmp_path: Path) -> None:
    def reshape(values: dict[str, Any]) -> None:
        values["MobilenetV1/Conv2d_0/weights"] = np.zeros((3, 3, 1, 8), np.float32)

    prefix = _edited(trained, tmp_path / NAME, reshape)
    with pytest.raises(UserError, match=r"Conv2d_0/weights has the shape \[3, 3, 1, 8\], expected"):
        read_network(prefix)


def test_a_damaged_checkpoint_is_an_error(tmp_path: Path) -> None:
    (tmp_path / f"{NAME}.index").write_bytes(b"no index")
    with pytest.raises(UserError, match="damaged, or not a checkpoint of TensorFlow"):
        read_network(str(tmp_path / NAME))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("QUANTLABEL_CACHE", str(tmp_path / "models"))
    return tmp_path / "models"


@pytest.fixture(scope="module")
def hub_module(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A module as tensorflow_hub wrote them for TensorFlow 1: two graphs, one of them to train."""
    folder = tmp_path_factory.mktemp("hub") / "quantops"
    with tf.Graph().as_default(), v1.Session() as session:
        images = v1.placeholder(tf.float32, [None, 128, 128, 3], "images")
        mapped = tf.quantization.fake_quant_with_min_max_args(images * 2 - 1, -1.0005, 1.0005)
        logits, features = Slim(quantized=True).logits_and_features(mapped)
        session.run(v1.global_variables_initializer())
        answers = {
            "image_classification": logits,
            "image_feature_vector": features,
            "default": logits,
        }
        write_signatures(folder, session, images, answers)
    return folder


def test_a_hub_module_is_exported_with_its_own_mapping(hub_module: Path, tmp_path: Path) -> None:
    out = tmp_path / "float"
    words = ["--model", hub_module, "--to", "savedmodel", "--output", out, "--input-range", "unit"]
    assert main(["model", "export", *map(str, words)]) == 0
    _assert_alike(
        tf.saved_model.load(str(hub_module), tags=[]).signatures,
        tf.saved_model.load(str(out)).signatures,
    )


def _assert_alike(published: Any, made: Any) -> None:
    for name, step in (
        ("image_classification", 21.75 / 255),
        ("image_feature_vector", 5.875 / 255),
    ):
        expected = published[name](images=tf.constant(IMAGES))["default"].numpy()
        found = made[name](images=tf.constant(IMAGES))["default"].numpy()
        assert np.abs(found - expected).mean() < step
        assert np.ptp(expected, axis=0).mean() > 3 * step


def _classes(rows: Path) -> list[int]:
    tables = open_run(str(rows)).predictions()
    return [class_id for table in tables for class_id in table["class_id"].to_pylist()]


def _own_classes(module: Path, photos: Path) -> list[int]:
    """First classes of the module's own graph, in order of the pictures' names."""
    pictures = [load(path.read_bytes(), size=SIZE).pixels for path in sorted(photos.iterdir())]
    run = tf.saved_model.load(str(module), tags=[]).signatures["image_classification"]
    logits = run(images=tf.constant(unit_range(np.stack(pictures))))["default"].numpy()
    found: list[int] = logits.argmax(axis=1).tolist()
    return found


def _packed(module: Path) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        archive.add(module, arcname=".")
    return stream.getvalue()


ADDRESS = "/google/imagenet/mobilenet_v1_025_128/quantops/classification/3"


def test_a_hub_module_labels_as_its_own_graph_from_wherever_it_lies(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = write_module(tmp_path / "quantops")
    (tmp_path / "names.txt").write_text("a\nb\nc\nd\ne\n", "utf-8")
    packed = _packed(module)
    (tmp_path / "module.tar.gz").write_bytes(packed)
    expected = _own_classes(module, photos)
    assert len(set(expected)) > 1
    with serve() as server:
        server.on(ADDRESS, Reply(packed))
        address = f"{server.url}{ADDRESS}"
        kept = (
            tmp_path / "cache" / hashlib.sha1(b"https://tfhub.dev" + ADDRESS.encode()).hexdigest()
        )
        shutil.copytree(module, kept)
        monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path / "cache"))
        for number, model in enumerate(
            (module, tmp_path / "module.tar.gz", address, f"https://tfhub.dev{ADDRESS}")
        ):
            out = tmp_path / str(number)
            words = ["--quiet", "--input", photos, "--output", out, "--model", model]
            words += ["--classes", tmp_path / "names.txt"]
            assert main(["label", *map(str, words)]) == 0
            assert _classes(out) == expected
        assert server.requested == [f"{ADDRESS}?tf-hub-format=compressed"]


def test_what_holds_a_module_is_described_and_exported_by_its_address(
    hub_module: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serve() as server:
        server.on(ADDRESS, Reply(_packed(hub_module)))
        address = f"{server.url}{ADDRESS}"
        assert main(["model", "info", address, "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert found["kind"] == "TF1-format hub module of MobileNet V1, with simulated quantization"
        assert (found["name"], found["classes"]) == (ADDRESS[1:], 1001)
        assert (found["multiplier"], found["input_size"]) == (0.25, 128)
        ends = (tmp_path / "by address.tflite", tmp_path / "by folder.tflite")
        for model, end in zip((address, str(hub_module)), ends, strict=True):
            words = ["model", "export", "--model", model, "--to", "tflite", "--output", str(end)]
            assert main(words) == 0
    assert ends[0].read_bytes() == ends[1].read_bytes()


def test_messages_name_a_module_by_its_address(
    hub_module: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serve() as server:
        server.on(ADDRESS, Reply(_packed(hub_module)))
        address = f"{server.url}{ADDRESS}"
        assert main(["model", "info", address, "--sha256", "0" * 64]) == 1
    assert capsys.readouterr().err.startswith(f"quantlabel: {address} has sha256 ")


def test_a_module_of_feature_vectors_gives_rows_without_classes(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    module = write_module(tmp_path / "quantops", with_logits=False)
    path = ADDRESS.replace("classification", "feature_vector")
    pixels = [load(each.read_bytes(), size=SIZE).pixels for each in sorted(photos.iterdir())]
    images = unit_range(np.stack(pixels))
    run = tf.saved_model.load(str(module), tags=[]).signatures["default"]
    expected = run(images=tf.constant(images))["default"].numpy()
    out = tmp_path / "out"
    with serve() as server:
        server.on(path, Reply(_packed(module)))
        address = f"{server.url}{path}"
        words = ["--quiet", "--input", photos, "--output", out, "--model", address]
        assert main(["label", *map(str, words)]) == 0
        rows = [row for table in open_run(str(out)).predictions() for row in table.to_pylist()]
        assert [row["label"] for row in rows] == [None] * len(pixels)
        found = np.array([row["embedding"] for row in rows], np.float32)
        assert np.abs(found - expected).max() < 6 / 255  # a step
        assert main(["verify", str(out)]) == 0
        assert main(["model", "info", address]) == 0
        assert "TF1-format hub module of feature vectors" in capsys.readouterr().out
        words = ["--model", address, "--to", "tflite", "--output", tmp_path / "x.tflite"]
        assert main(["model", "export", *map(str, words)]) == 1
        assert f"{address}: a module of feature vectors, without the logits" in (
            capsys.readouterr().err
        )
        model = load_model(address)
    np.testing.assert_array_equal(model(images), found)
    assert sorted(model.signatures) == ["default", "image_feature_vector"]
    with pytest.raises(UserError, match="it has no classes; image_feature_vector gives its"):
        model.image_classification(images)


@pytest.mark.slow
def test_tensorflow_hub_loads_both(hub_module: Path, saved_model: Path, tmp_path: Path) -> None:
    """In a process of its own: tensorflow_hub needs a setuptools that has pkg_resources."""
    packages = tmp_path / "packages"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", packages]
    wanted = ["tensorflow-hub==0.16.1", "tf-keras>=2.21,<2.22", "setuptools<82"]
    subprocess.run([*map(str, pip), *wanted], check=True)
    script = f"""
import numpy as np, tensorflow as tf, tensorflow_hub as hub
for path, count in (({str(hub_module)!r}, 3), ({str(saved_model)!r}, 5)):
    module = hub.load(path)
    assert len(module.signatures) == count, list(module.signatures)
    for name, width in (("image_classification", 1001), ("image_feature_vector", 256)):
        answer = module.signatures[name](images=tf.zeros([2, 128, 128, 3]))["default"]
        assert answer.shape == (2, width), answer.shape
print("loaded")
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={"PYTHONPATH": str(packages), "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "loaded\n", done.stderr
