"""The page about fine-tuning does what it says, with a made data set."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.cli import main
from tests.helpers.root import ROOT

PAGE = (ROOT / "docs/fine-tune.md").read_text("utf-8")

COLOURS = {"blue": (30, 40, 220), "green": (30, 200, 40), "red": (220, 40, 30)}


def _make_pictures(folder: Path) -> None:
    """Twelve pictures of each colour, with noise."""
    random = np.random.RandomState(0)
    for name, colour in COLOURS.items():
        (folder / name).mkdir(parents=True)
        for number in range(12):
            noise = random.randint(-25, 26, (120, 160, 3))
            pixels = np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number:02d}.jpg")


@pytest.mark.slow
def test_the_page_runs_from_pictures_to_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("tensorflow")
    _make_pictures(tmp_path / "photos")
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    seeded = code.replace(
        "keras = tf.keras\n", "keras = tf.keras\nkeras.utils.set_random_seed(0)\n"
    )
    subprocess.run([sys.executable, "-c", seeded], check=True, capture_output=True)
    commands = re.findall(r"^    quantlabel (.*)$", PAGE, re.MULTILINE)
    assert [command.split()[0] for command in commands] == ["model", "label", "evaluate"]
    for command in commands:
        capsys.readouterr()
        json_flag = ["--json"] if command.startswith("evaluate") else []
        assert main([*shlex.split(command), *json_flag]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["top1"]["of"] == 36
    assert found["top1"]["hits"] >= 33
