from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from tests.helpers.encoded import encoded
from transforms.images.loader import Loader
from transforms.images.pixels import Scratch
from transforms.images.settings import Preprocessing
from transforms.records import Failure, Image, ImageRef

LOADER = Loader(Preprocessing(max_bytes=50_000))


def _failed(path: Path) -> tuple[str, str]:
    found = LOADER.read(ImageRef(str(path)))
    if not isinstance(found, Failure):
        found = LOADER.decode(*found, scratch=Scratch())  # type: ignore[assignment]
    assert isinstance(found, Failure)
    return found.stage, found.reason


def test_a_picture_has_its_size_version_and_hash(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    data = encoded(np.full((30, 20, 3), 7, np.uint8), "PNG")
    path.write_bytes(data)
    found = LOADER.read(ImageRef(str(path), '{"n": 1}'))
    version = str(path.stat().st_mtime_ns)
    assert found == (ImageRef(str(path), '{"n": 1}', len(data), version), data)
    image = LOADER.decode(*found, scratch=Scratch())
    assert isinstance(image, Image)
    assert image.sha256 == hashlib.sha256(data).hexdigest()
    assert (image.width, image.height, image.format) == (20, 30, "PNG")
    assert image.pixels.shape == (128, 128, 3)
    assert (image.pixels == 7).all()


def test_what_is_wrong_is_told_with_its_stage(tmp_path: Path) -> None:
    (tmp_path / "large.jpg").write_bytes(bytes(50_001))
    (tmp_path / "words.jpg").write_bytes(b"these are words\n" * 50)
    (tmp_path / "words.psd").write_bytes(b"these are words\n" * 50)
    (tmp_path / "a.rar").touch()
    assert _failed(tmp_path / "gone.jpg") == ("read", "not_found")
    assert _failed(tmp_path / "large.jpg") == ("read", "too_large_bytes")
    assert _failed(tmp_path / "a.rar") == ("read", "unsupported_format")
    assert _failed(tmp_path / "words.jpg") == ("decode", "unknown_format")
    assert _failed(tmp_path / "words.psd") == ("decode", "unsupported_format")
