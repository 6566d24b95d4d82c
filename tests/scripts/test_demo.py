"""The demo, run as `make demo` runs it, where neither a model nor a network is to be had."""

from __future__ import annotations

import importlib.util
import os
import re
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


def _run(checkout: Path, settings: dict[str, str], *words: str) -> list[str]:
    """The lines that it prints, in the end with success."""
    pytest.importorskip("skimage", reason="scikit-image carries the photographs")
    done = subprocess.run(
        [sys.executable, "scripts/demo.py", *words],
        cwd=checkout,
        env={**os.environ, **settings, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return [line.rstrip() for line in done.stdout.splitlines()]


def test_shows_what_random_weights_can_tell(checkout: Path, nowhere: dict[str, str]) -> None:
    lines = _run(checkout, nowhere)
    text = "\n".join(lines)
    assert "There are no labels below." in text
    assert text.count(f"For labels: make demo MODEL=/path/to/{NAME}.tflite") == 1
    assert "top 3" not in text
    assert "failed: broken.jpg: truncated, " in text
    alike = [line for line in lines if line.startswith("nearly the same: ")]
    assert [line.rpartition(",")[0] for line in alike] == [
        "nearly the same: chelsea-small.jpg and chelsea.png"
    ]
    searched = [line.split() for line in lines if re.match(r" +[01]\.\d{3} ", line)]
    assert [Path(words[-1]).name for words in searched][:2] == ["chelsea-small.jpg", "chelsea.png"]
    assert {words[1] for words in searched} == {"-"}  # no label
    assert lines[-1] == "demo-output/labels/__report/index.html"
    page = (checkout / lines[-1]).read_text("utf-8")
    assert "14 pictures in labels" in page
    assert 'id="classes"' not in page


@pytest.mark.slow
def test_shows_labels_first_where_there_are_some(
    checkout: Path, nowhere: dict[str, str], shared: Path
) -> None:
    lines = _run(checkout, nowhere, "--model", str(shared / "models" / f"{NAME}.tflite"))
    labels = [at for at, line in enumerate(lines) if "Labels by mobilenet" in line]
    alike = [at for at, line in enumerate(lines) if line.startswith("nearly the same: ")]
    assert labels < alike
    assert any("Egyptian cat" in line for line in lines[: alike[0]])
    assert "no labels below" not in "\n".join(lines)
    assert lines[-1] == "demo-output/labels/__report/index.html"


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
