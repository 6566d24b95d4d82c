from __future__ import annotations

import pickle
from pathlib import Path

from transforms.network.classes import Classes, imagenet
from transforms.network.network import Network


def _network(classes: Classes, path: str | None = None) -> Network:
    return Network("n", "tflite", "0" * 64, b"content", 128, 256, classes, path)


def test_what_lies_in_a_file_does_not_travel(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"from a file")
    network = pickle.loads(pickle.dumps(_network(imagenet(), str(tmp_path / "f"))))
    assert (network.content, network.read()) == (b"", b"from a file")
    assert pickle.loads(pickle.dumps(_network(imagenet()))).read() == b"content"


def test_classes_travel_small() -> None:
    sent = pickle.dumps(_network(imagenet()))
    assert len(sent) < 1000
    assert pickle.loads(sent).classes is imagenet()
    own = Classes.own(["a", "b"])
    assert pickle.loads(pickle.dumps(_network(own))).classes == own
