"""`--kernel`: the same rows from either, and which it was."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pipeline.cli import main
from tests.helpers.encoded import encoded, waves
from transforms import kernel
from transforms.errors import UsageError
from transforms.network import native
from transforms.network.classes import imagenet
from transforms.network.classify_images import model_handler
from transforms.network.network import Network

needs_kernel = pytest.mark.skipif(
    kernel.module is None, reason="the compiled kernel is not installed"
)


@pytest.fixture
def pictures(photos: Path) -> Path:
    """Pictures that the kernel takes, those it hands back, and damaged ones."""
    waved = waves(150, 203, period=11.0)
    for subsampling in ("4:4:4", "4:2:2", "4:2:0"):
        data = encoded(waved, "JPEG", subsampling=subsampling)
        (photos / f"waves-{subsampling[-3::2]}.jpg").write_bytes(data)
    (photos / "cut.jpg").write_bytes(data[: len(data) // 2])
    (photos / "empty.jpg").touch()
    (photos / "progressive.jpg").write_bytes(encoded(waved, "JPEG", progressive=True))
    (photos / "other.png").write_bytes(encoded(waved, "PNG"))
    file = io.BytesIO()
    Image.fromarray(waved).convert("CMYK").save(file, "JPEG")
    (photos / "cmyk.jpg").write_bytes(file.getvalue())
    return photos


def _run(out: Path, *words: object) -> dict[str, Any]:
    assert main(["label", "--quiet", "--output", str(out), *map(str, words)]) == 0
    manifest: dict[str, Any] = json.loads((out / "_MANIFEST.json").read_text("utf-8"))
    return manifest


def _rows(out: Path) -> tuple[pa.Table, str]:
    (failures,) = out.glob("__failures/failures-*.jsonl")
    (rows,) = out.glob("predictions-*.parquet")
    return pq.read_table(rows).replace_schema_metadata(None), failures.read_text("utf-8")


@needs_kernel
@pytest.mark.parametrize("flags", [[], ["--views", "4"], ["--preprocess", "stretch"]])
def test_rows_do_not_depend_on_the_kernel(
    pictures: Path, stand_in_file: Path, tmp_path: Path, flags: list[str]
) -> None:
    words = ["--input", pictures, "--model", stand_in_file, *flags]
    kernels = {
        name: _run(tmp_path / name, *words, "--kernel", name)["kernel"]
        for name in ("python", "native", "auto")
    }
    assert kernels["python"] == "python"
    assert kernels["native"] == kernels["auto"]
    stretched = " for the network, python for JPEG" if "stretch" in flags else ""
    assert kernels["auto"] == kernel.installed() + stretched
    python = _rows(tmp_path / "python")
    assert python[0].num_rows == 16
    assert python[1].count("\n") == 2
    assert _rows(tmp_path / "native") == _rows(tmp_path / "auto") == python


@needs_kernel
def test_a_network_that_the_kernel_does_not_take(
    photos: Path,
    stand_in_file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def differ(*_: object, **__: object) -> None:
        raise kernel.UnsuitableError("3 of 16016 logits differ from those of LiteRT")

    monkeypatch.setattr(native, "load", differ)
    _forget()
    words = ["--input", str(photos), "--model", str(stand_in_file)]
    manifest = _run(tmp_path / "auto", *words)
    assert manifest["kernel"] == "native for JPEG, python for the network"
    forced = ["label", *words, "--output", str(tmp_path / "forced"), "--kernel", "native"]
    assert main(forced) == 2
    assert capsys.readouterr().err == (
        "quantlabel: --kernel native: 3 of 16016 logits differ from those of LiteRT. Use auto or "
        "python.\n"
    )
    assert not (tmp_path / "forced").exists()


@pytest.mark.parametrize("command", ["label", "plan"])
def test_without_the_kernel_native_is_one_line_before_the_run(
    photos: Path,
    stand_in_file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    command: str,
) -> None:
    monkeypatch.setattr(kernel, "module", None)
    _forget()
    out = ["--output", str(tmp_path / "out")] if command == "label" else []
    words = ["--input", str(photos), "--model", str(stand_in_file), *out]
    assert main([command, *words, "--kernel", "native"]) == 2
    assert capsys.readouterr().err == (
        "quantlabel: --kernel native: the compiled kernel is not installed, or of another version; "
        "`make wheel` builds it. Use auto or python.\n"
    )
    assert not (tmp_path / "out").exists()
    if command == "label":
        assert _run(tmp_path / "out", *words[:4])["kernel"] == "python"


def test_a_savedmodel_is_not_for_the_kernel() -> None:
    network = Network(
        name="m",
        sha256="0" * 64,
        content=b"",
        input_size=128,
        feature_size=256,
        classes=imagenet(),
        kind="savedmodel",
    )
    model_handler(network)
    with pytest.raises(UsageError, match=r"^--kernel native: it runs no SavedModel"):
        model_handler(network, kernel="native")


def test_version_and_summary_say_which_it_was(
    photos: Path, stand_in_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["--version"])
    assert re.fullmatch(
        rf"quantlabel \d+\.\d+\.\d+\nkernel  {re.escape(kernel.installed())}\n",
        capsys.readouterr().out,
    )
    words = ["--input", str(photos), "--model", str(stand_in_file)]
    assert main(["label", *words, "--output", str(tmp_path / "out"), "--kernel", "python"]) == 0
    assert re.search(r"^kernel +python *$", capsys.readouterr().out, re.MULTILINE)


def _forget() -> None:
    from transforms.network import litert

    litert._native_model.cache_clear()
