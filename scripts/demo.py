"""Labels real pictures with the command that users run, and shows what it wrote.

`make demo` calls this. It needs nothing but the package registry: without pictures of yours it
takes photographs that ship inside scikit-image, and where no model can be had it makes a stand-in,
whose labels mean nothing, and says so.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import logging
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.dataset as ds
from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from pipeline.models.store import store
from pipeline.models.tflite.stand_in import stand_in
from transforms.errors import UserError

ROOT = Path(__file__).resolve().parent.parent
OUTPUT = Path("demo-output")
MODEL_NAME = "mobilenet_v1_0.25_128_quant"
MAX_ROWS = 30
IMPATIENT = store.Limits(attempts=2, connect_s=3.0, stall_s=10.0)
"""Where there is no network, nobody should wait long for the stand-in."""

PHOTOGRAPHS = (
    "astronaut.png",
    "camera.png",
    "chelsea.png",
    "clock_motion.png",
    "coffee.png",
    "coins.png",
    "grass.png",
    "hubble_deep_field.jpg",
    "moon.png",
    "motorcycle_left.png",
    "page.png",
    "rocket.jpg",
)
"""Those of scikit-image's files that are photographs and that every release since 0.25 has."""

console = Console()


def main() -> int:
    """Runs the demo; returns the exit status of the labelling run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", help="a folder, glob or manifest; default: some photographs")
    parser.add_argument("--model", help="a name, a path, gs:// or a URL; default: the first found")
    args = parser.parse_args()
    logging.getLogger("pipeline").setLevel(logging.ERROR)  # the banner says why a download failed
    try:
        images = os.path.expanduser(args.images or copy_photographs(OUTPUT / "pictures"))
        model = args.model or find_model()
    except UserError as error:
        console.print(str(error), markup=False)
        return error.exit_status
    status = label(images=images, model=model, output=OUTPUT / "labels")
    if status == 0:
        show(OUTPUT / "labels")
    return status


def copy_photographs(folder: Path) -> Path:
    """Copies scikit-image's photographs to a folder of their own, emptied first.

    The package is looked up and not imported: only its files are of use here.

    Raises:
        UserError: scikit-image is not installed.
    """
    package = importlib.util.find_spec("skimage")
    if package is None or package.origin is None:
        raise UserError(
            "No pictures: scikit-image, whose photographs the demo takes, is not installed. "
            "Run `make demo`, or name pictures of yours: --images FOLDER."
        )
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in PHOTOGRAPHS:
        shutil.copy(Path(package.origin).parent / "data" / name, folder / name)
    return folder


def find_model() -> str:
    """The first to be had: cached, beside the code, downloaded; else a stand-in, with a warning."""
    if store.cached(MODEL_NAME):
        return MODEL_NAME
    for folder in (ROOT / "models", ROOT.parent / "shared" / "models"):
        path = folder / f"{MODEL_NAME}.tflite"
        if path.is_file():
            return str(path)
    try:
        console.print(f"Downloading {MODEL_NAME} ...")
        store.resolve(MODEL_NAME, limits=IMPATIENT)
    except UserError as error:
        return write_stand_in(OUTPUT / "stand-in.tflite", reason=str(error))
    return MODEL_NAME


def write_stand_in(path: Path, *, reason: str) -> str:
    """Writes a network with random weights, says so in a banner and returns its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(stand_in())
    banner = Text.assemble(
        ("The labels below mean NOTHING. ", "bold"),
        "The published model could not be had, so a stand-in of the same shape with random weights "
        "takes its place: everything runs as it will, but no label is to be believed.\n\n",
        (reason, "dim"),
        f"\n\nFor real labels: make demo MODEL=/path/to/{MODEL_NAME}.tflite",
    )
    console.print(Panel(banner, title="STAND-IN MODEL", border_style="bold red"))
    return str(path)


def label(*, images: str, model: str, output: Path) -> int:
    """Runs `quantlabel label` as a user would, shown as it is typed; returns its exit status."""
    quantlabel = os.path.relpath(Path(sys.executable).with_name("quantlabel"))
    command = [quantlabel, "label", "--input", images, "--output", str(output)]
    command += ["--model", model, "--overwrite"]
    line = Text(f"$ {shlex.join(command)}", style="bold")
    console.print(line, soft_wrap=True)
    return subprocess.run(command, check=False).returncode


def show(output: Path) -> None:
    """Prints the first predictions: picture, three best classes, their scores."""
    manifest = json.loads((output / "_MANIFEST.json").read_text(encoding="utf-8"))
    rows = read_rows(output, limit=MAX_ROWS)
    table = Table(title=f"Labels by {manifest['model']['name']}")
    table.add_column("picture", overflow="fold")
    table.add_column("top 3", no_wrap=True)
    table.add_column("score", no_wrap=True)
    for row in rows:
        best = list(zip(row["top_labels"], row["top_scores"], strict=True))[:3]
        labels = "\n".join(label for label, _ in best)
        scores = "\n".join(f"{score:.3f}" for _, score in best)
        table.add_row(escape(Path(row["uri"]).name), escape(labels), scores, end_section=True)
    console.print(table)
    if manifest["predictions"] > len(rows):
        console.print(f"... and {manifest['predictions'] - len(rows):,} more.")
    console.print(f"All rows, with their feature vectors: {output}/predictions-*.parquet")


def read_rows(output: Path, *, limit: int) -> list[dict[str, Any]]:
    """The first predictions of a run, in order of uri: uri, top_labels and top_scores."""
    files = [str(path) for path in sorted(output.glob("predictions-*.parquet"))]
    rows = ds.dataset(files).head(limit, columns=["uri", "top_labels", "top_scores"])
    return sorted(rows.to_pylist(), key=lambda row: str(row["uri"]))


if __name__ == "__main__":
    sys.exit(main())
