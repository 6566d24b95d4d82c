"""Label Studio's own validation and converter, in a process of its own.

`label-studio-sdk` asks for an older numpy than ours, so `make test` installs it apart.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PACKAGES = Path(sys.prefix) / "label-studio"

_SCRIPT = """
import json, sys
from label_studio_sdk.label_interface import LabelInterface
from label_studio_sdk.label_interface.objects import PredictionValue

folder, *names = sys.argv[1:]
interface = LabelInterface(open(f"{folder}/config.xml", encoding="utf-8").read())
interface.validate()
errors, tasks = [], 0
for name in names:
    for task in json.load(open(f"{folder}/{name}", encoding="utf-8")):
        tasks += 1
        if not interface.validate_task({"data": task["data"]}):
            errors.append("the data do not fit the config")
        for prediction in task["predictions"]:
            PredictionValue(**prediction)
            errors += interface.validate_prediction(prediction, return_errors=True)
labels = interface.get_control("choice").labels
print(json.dumps({"tasks": tasks, "errors": errors, "choices": list(labels or [])}))
"""


def require_packages() -> None:
    """Skips the test where they are not installed."""
    if not (PACKAGES / "label_studio_sdk").is_dir():
        pytest.skip(f"no label-studio-sdk in {PACKAGES}; `make test` installs it")


def validated(folder: Path) -> dict[str, Any]:
    """What label-studio-sdk says of an export: tasks, errors and the choices of the config."""
    require_packages()
    names = sorted(path.name for path in folder.glob("tasks-*.json"))
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT, str(folder), *names],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(PACKAGES)},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found
