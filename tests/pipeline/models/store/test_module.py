from __future__ import annotations

import hashlib
import io
import os
import tarfile
from pathlib import Path

import pytest

from pipeline.models.store.download import Limits
from pipeline.models.store.module import is_address, module_folder
from tests.helpers.http_server import Reply, serve
from transforms.errors import UserError

PATH = "/google/imagenet/mobilenet_v1_050_160/quantops/classification/3"


@pytest.mark.parametrize(
    "model",
    [
        "https://tfhub.dev/google/imagenet/mobilenet_v1_025_128/quantops/classification/3",
        "https://tfhub.dev/google/imagenet/mobilenet_v1_100_224/quantops/feature_vector/3",
        "https://www.kaggle.com/models/google/mobilenet-v1/tensorFlow1/025-128-quantops-classification/3",
    ],
)
def test_addresses_of_the_family_are_known(model: str) -> None:
    assert is_address(model)


@pytest.mark.parametrize(
    "model",
    [
        "mobilenet_v1_0.25_128_quant",
        "https://storage.googleapis.com/models/mobilenet_v1_0.25_128_quant.tgz",
        "quantops/classification/3",
    ],
)
def test_other_models_are_none(model: str) -> None:
    assert not is_address(model)
    with module_folder(model) as folder:
        assert folder is None


def test_a_pipe_is_none(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.tar.gz")
    with module_folder(str(tmp_path / "pipe.tar.gz")) as folder:
        assert folder is None


def _archive(*names: str) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name in names:
            entry = tarfile.TarInfo(name)
            entry.size = 4
            archive.addfile(entry, io.BytesIO(b"some"))
    return stream.getvalue()


def test_an_address_is_downloaded_as_an_archive() -> None:
    with serve() as server:
        server.on(PATH, Reply(_archive("./saved_model.pb", "./variables/variables.index")))
        with module_folder(f"{server.url}{PATH}") as folder:
            assert folder is not None
            assert (folder / "saved_model.pb").read_bytes() == b"some"
        assert not folder.exists()
        assert server.requested == [f"{PATH}?tf-hub-format=compressed"]


def test_the_cache_of_tensorflow_hub_goes_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path))
    address = f"https://tfhub.dev{PATH}"
    kept = tmp_path / hashlib.sha1(address.encode()).hexdigest()
    kept.mkdir()
    (kept / "saved_model.pb").write_bytes(b"some")
    with module_folder(address) as folder:
        assert folder == kept


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<html>", "is no archive of a module"),
        (_archive("readme.txt"), "holds no saved_model.pb, so no module"),
        (_archive("../saved_model.pb"), "is no archive of a module"),
    ],
)
def test_what_is_no_module_is_one_line(content: bytes, message: str) -> None:
    with serve() as server:
        server.on(PATH, Reply(content))
        with (
            pytest.raises(UserError, match=message),
            module_folder(f"{server.url}{PATH}"),
        ):
            pass


def test_offline_it_says_what_to_do() -> None:
    key = hashlib.sha1(f"http://127.0.0.1:9{PATH}".encode()).hexdigest()
    with (
        pytest.raises(UserError, match=rf"without a network pass --model FOLDER .*{key}"),
        module_folder(f"http://127.0.0.1:9{PATH}", limits=Limits(attempts=1)),
    ):
        pass


def test_an_archive_of_a_module_is_unpacked(tmp_path: Path) -> None:
    (tmp_path / "m.tar.gz").write_bytes(_archive("quantops/saved_model.pb"))
    with module_folder(str(tmp_path / "m.tar.gz")) as folder:
        assert folder is not None
        assert folder.name == "quantops"
    (tmp_path / "other.tgz").write_bytes(_archive("net.tflite"))
    with module_folder(str(tmp_path / "other.tgz")) as none:
        assert none is None
