"""Labels real pictures with the command that users run, and shows what it wrote, up to its page.

`make demo` calls this. It needs nothing but the package registry: without pictures of yours it
takes photographs that ship inside scikit-image. Where no model can be had it makes a stand-in with
random weights, and shows what those can tell: no labels, but which pictures are alike.
"""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import logging
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image
from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from pipeline.explore.options import DuplicatesOptions
from pipeline.explore.vectors import unit_vectors
from pipeline.models.store import store
from pipeline.models.tflite.classifier import FEATURES
from pipeline.models.tflite.stand_in import stand_in
from pipeline.run.folder.finished import FinishedRun, open_run
from transforms.errors import UserError

ROOT = Path(__file__).resolve().parent.parent
OUTPUT = Path("demo-output")
MODEL_NAME = "mobilenet_v1_0.25_128_quant"
STAND_IN = OUTPUT / "stand-in.tflite"
MAX_ROWS = 30
MAX_COMPARED = 2_000
"""Pictures of which every pair is compared: half a second."""

SMALL, BROKEN = "chelsea-small.jpg", "broken.jpg"
"""A photograph again, at half its size; and half of another one's file."""

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
    """Runs the demo; returns the exit status of the first command that fails, or 0."""
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
    return status or show(open_run(str(OUTPUT / "labels")))


def copy_photographs(folder: Path) -> Path:
    """Copies scikit-image's photographs to a folder of their own, emptied first; and some trouble.

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
    data = Path(package.origin).parent / "data"
    for name in PHOTOGRAPHS:
        shutil.copy(data / name, folder / name)
    with Image.open(data / "chelsea.png") as image:
        half = image.resize((image.width // 2, image.height // 2), Image.Resampling.LANCZOS)
        half.save(folder / SMALL, quality=85)
    whole = (data / "rocket.jpg").read_bytes()
    (folder / BROKEN).write_bytes(whole[: len(whole) // 2])
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
        return write_stand_in(STAND_IN, reason=str(error))
    return MODEL_NAME


def write_stand_in(path: Path, *, reason: str) -> str:
    """Writes a network with random weights, says so in a banner and returns its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(stand_in())
    banner = Text.assemble(
        ("There are no labels below. ", "bold"),
        "The published model could not be had, so a stand-in of the same shape with random weights "
        "takes its place. What it says a picture shows would mean NOTHING; which pictures are "
        "alike it tells all the same.\n\n",
        (reason, "dim"),
        f"\n\nFor labels: make demo MODEL=/path/to/{MODEL_NAME}.tflite",
    )
    console.print(Panel(banner, title="STAND-IN MODEL", border_style="bold red"))
    return str(path)


def label(*, images: str, model: str, output: Path) -> int:
    """Labels the pictures, of a stand-in with feature vectors alone; returns the exit status."""
    words = ["label", "--input", images, "--output", str(output), "--model", model, "--overwrite"]
    if model == str(STAND_IN):
        words += ["--outputs", "features", "--embedding-tensor", f"MobilenetV1/{FEATURES}"]
    return quantlabel(*words)


def quantlabel(*words: str) -> int:
    """Runs a command as a user would, shown as it is typed; returns its exit status."""
    program = os.path.relpath(Path(sys.executable).with_name("quantlabel"))
    console.print(Text(f"\n$ {shlex.join([program, *words])}", style="bold"), soft_wrap=True)
    return subprocess.run([program, *words], check=False).returncode


def show(run: FinishedRun) -> int:
    """Shows labels if there are any, near-duplicates, a search, failures, and last the page."""
    if len(run.manifest.model.classes):
        show_labels(run)
    show_failures(run)
    if not run.manifest.predictions:
        return 0
    if run.manifest.model.feature_size:
        rows = first_rows(run, ["uri", "embedding"], limit=MAX_COMPARED)
        show_alike(rows)
        like = OUTPUT / "pictures" / SMALL
        picture = str(like) if str(like.resolve()) in rows["uri"].to_pylist() else rows["uri"][0]
        if status := quantlabel("search", run.folder, "--like", str(picture), "-k", "3"):
            return status
    about = "The page of it all, to filter, search and enlarge, is one file that a browser opens:"
    console.print(f"\n{about}", soft_wrap=True)
    return quantlabel("report", run.folder)


def show_labels(run: FinishedRun) -> None:
    """Prints the first predictions: picture, three best classes, their scores."""
    rows = first_rows(run, ["uri", "top_labels", "top_scores"], limit=MAX_ROWS)
    table = Table(title=f"Labels by {run.manifest.model.name}")
    table.add_column("picture", overflow="fold")
    table.add_column("top 3", no_wrap=True)
    table.add_column("score", no_wrap=True)
    for row in rows.to_pylist():
        best = list(zip(row["top_labels"], row["top_scores"], strict=True))[:3]
        labels = "\n".join(label for label, _ in best)
        scores = "\n".join(f"{score:.3f}" for _, score in best)
        table.add_row(escape(Path(row["uri"]).name), escape(labels), scores, end_section=True)
    console.print(table)
    if run.manifest.predictions > rows.num_rows:
        console.print(f"... and {run.manifest.predictions - rows.num_rows:,} more.")
    console.print(f"All rows, with their feature vectors: {run.folder}/predictions-*.parquet")


def show_failures(run: FinishedRun) -> None:
    """Prints the first failures: what cannot be read is a row too, and the run goes on."""
    failures = itertools.chain.from_iterable(table.to_pylist() for table in run.failures())
    for row in itertools.islice(failures, MAX_ROWS):
        line = f"failed: {Path(row['uri']).name}: {row['reason']}, {row['message']}"
        console.print(line, markup=False, soft_wrap=True)


def show_alike(rows: pa.Table) -> None:
    """Prints the pairs that are nearly the same picture: `quantlabel duplicates` in small."""
    vectors = unit_vectors(rows)
    cosines = np.triu(vectors @ vectors.T, k=1)
    names = [Path(uri).name for uri in rows["uri"].to_pylist()]
    pairs = np.argwhere(cosines >= DuplicatesOptions.threshold)
    for one, other in pairs[:MAX_ROWS]:
        line = f"nearly the same: {names[one]} and {names[other]}, cosine {cosines[one, other]:.3f}"
        console.print(line, markup=False, soft_wrap=True)


def first_rows(run: FinishedRun, columns: list[str], *, limit: int) -> pa.Table:
    """The first predictions of a run, at most `limit`, in order of uri."""
    tables, missing = [], limit
    for table in run.predictions(columns=columns):
        tables.append(table.slice(0, missing))
        missing -= tables[-1].num_rows
        if not missing:
            break
    return pa.concat_tables(tables).sort_by("uri")


if __name__ == "__main__":
    sys.exit(main())
