"""A folder of files as one identity and one archive."""

from __future__ import annotations

import io
import subprocess
import zipfile
from pathlib import Path

import pytest

from pipeline.models.float_module.folder import (
    Kind,
    archive,
    checkpoint_prefix,
    kind_of,
    sha256,
    size,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "model"
    (made / "variables").mkdir(parents=True)
    (made / "saved_model.pb").write_bytes(b"graph")
    (made / "variables/variables.index").write_bytes(b"index")
    (made / "fingerprint.pb").write_bytes(b"print")
    return made


def test_the_hash_is_the_one_that_the_shell_makes(folder: Path) -> None:
    command = (
        r"find . -type f -printf '%P\n' | LC_ALL=C sort | xargs sha256sum | sha256sum | cut -c1-64"
    )
    shell = subprocess.run(command, shell=True, cwd=folder, capture_output=True, check=True)
    assert sha256(folder) == shell.stdout.decode().strip()


def test_the_hash_is_of_names_and_contents_alone(folder: Path, tmp_path: Path) -> None:
    before = sha256(folder)
    assert sha256(folder.rename(tmp_path / "elsewhere")) == before
    (tmp_path / "elsewhere/fingerprint.pb").write_bytes(b"other")
    assert sha256(tmp_path / "elsewhere") != before


def test_the_archive_unpacks_to_the_same_and_is_always_alike(folder: Path, tmp_path: Path) -> None:
    content = archive(folder)
    with zipfile.ZipFile(io.BytesIO(content)) as files:
        files.extractall(tmp_path / "copy")
    assert sha256(tmp_path / "copy") == sha256(folder)
    assert archive(tmp_path / "copy") == content
    assert size(folder) == 15


def test_what_a_path_holds_is_told_by_its_files(folder: Path, tmp_path: Path) -> None:
    assert kind_of(folder) is Kind.SAVED_MODEL
    (folder / "tfhub_module.pb").write_bytes(b"\x08\x03")
    assert kind_of(folder) is Kind.HUB_MODULE
    assert kind_of(tmp_path) is kind_of(tmp_path / "none.tflite") is None


@pytest.mark.parametrize("suffix", ["", ".index", ".meta", ".data-00000-of-00001"])
def test_a_checkpoint_is_named_by_its_prefix_or_a_file_of_it(tmp_path: Path, suffix: str) -> None:
    prefix = tmp_path / "mobilenet_v1_0.25_128_quant.ckpt"
    (tmp_path / f"{prefix.name}.index").write_bytes(b"")
    assert checkpoint_prefix(Path(f"{prefix}{suffix}")) == prefix
    assert kind_of(Path(f"{prefix}{suffix}")) is Kind.CHECKPOINT
