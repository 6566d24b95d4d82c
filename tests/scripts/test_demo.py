"""The demo, run as `make demo` runs it, where neither a model nor a network is to be had."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from tests.helpers.root import ROOT
from transforms.errors import UserError

SCRIPT = ROOT / "scripts" / "demo.py"
NAME = "mobilenet_v1_0.25_128_quant"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with the script alone, so that no model lies in or beside it."""
    root = tmp_path / "checkout"
    (root / "scripts").mkdir(parents=True)
    shutil.copy(SCRIPT, root / "scripts")
    return root


@pytest.fixture
def nowhere(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Settings under which no model is cached and the download meets a port that answers nobody."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        yield {
            "QUANTLABEL_CACHE": str(tmp_path / "cache"),
            "QUANTLABEL_MODEL_BASE_URL": f"http://127.0.0.1:{taken.getsockname()[1]}",
        }


@pytest.fixture
def demo(checkout: Path, nowhere: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script as a module, in that checkout, under those settings."""
    for name, value in nowhere.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(checkout)
    spec = importlib.util.spec_from_file_location("demo", checkout / "scripts" / "demo.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_labels_photographs_with_a_stand_in_and_says_so(
    checkout: Path, nowhere: dict[str, str]
) -> None:
    pytest.importorskip("skimage", reason="scikit-image carries the photographs")
    done = subprocess.run(
        [sys.executable, "scripts/demo.py"],
        cwd=checkout,
        env={**os.environ, **nowhere, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "The labels below mean NOTHING." in done.stdout
    assert "Labels by stand-in" in done.stdout
    rows = [line for line in done.stdout.splitlines() if ".png " in line or ".jpg " in line]
    assert len(rows) == 12
    assert (checkout / "demo-output" / "labels" / "_SUCCESS").exists()


def test_prefers_a_model_in_the_checkout_to_one_beside_it_to_a_stand_in(
    demo: ModuleType, checkout: Path
) -> None:
    assert demo.find_model() == "demo-output/stand-in.tflite"
    model = Path("demo-output/stand-in.tflite").read_bytes()
    for folder in (checkout.parent / "shared" / "models", checkout / "models"):
        folder.mkdir(parents=True)
        path = folder / f"{NAME}.tflite"
        path.write_bytes(model)
        assert demo.find_model() == str(path)


def test_does_not_replace_a_cached_model_that_is_another_export(
    demo: ModuleType, tmp_path: Path
) -> None:
    cached = tmp_path / "cache" / "models" / f"{NAME}.tflite"
    cached.parent.mkdir(parents=True)
    cached.write_bytes(demo.stand_in())
    with pytest.raises(UserError, match="placed there by hand"):
        demo.find_model()


def test_names_the_failure_of_the_command(demo: ModuleType, tmp_path: Path) -> None:
    output = tmp_path / "labels"
    assert demo.label(images="no/such/folder", model="no-such-model", output=output) == 1
