"""What formats cost, and whether they change the first class.

    python -m benchmarks.formats cost FOLDER
    python -m benchmarks.formats agreement FOLDER MODEL

The first loads all HEIF files of a folder, by pi-heif alone and as a run does, one at a time, and
prints processor time and memory; that of pi-heif alone includes what this program imports. The
second compares files of one name: the first class of each with that of the one that ends in .png.
"""

from __future__ import annotations

import collections
import io
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pi_heif

from quantlabel import load, load_model, load_network, unit_range
from transforms.images.decode import decode
from transforms.images.guarded import guard


def main(arguments: Sequence[str]) -> None:
    """Runs what the first word names."""
    command, folder, *rest = arguments
    if command == "cost":
        for way in ("alone", "ours"):
            subprocess.run([sys.executable, "-m", "benchmarks.formats", way, folder], check=True)
    elif command == "agreement":
        _agreement(Path(folder), rest[0])
    else:
        _cost(Path(folder), alone=command == "alone")


def _cost(folder: Path, *, alone: bool) -> None:
    paths = sorted(folder.glob("*.heic"))
    pi_heif.options.DECODE_THREADS = 1
    before = sum(os.times()[:2])
    for path in paths:
        if alone:
            file = pi_heif.open_heif(io.BytesIO(path.read_bytes()))
            np.array(file[file.primary_index])
        else:
            load(path.read_bytes())
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    (peak,) = map(_peak, children or ["self"])
    guard.end_helpers()
    seconds = (sum(os.times()[:4]) - before) / len(paths)
    way = "pi-heif alone" if alone else "as a run does, in the helper"
    print(f"{way}: {seconds:.3f} s a picture, peak {peak} MB", flush=True)


def _peak(process: str) -> int:
    """Megabytes, by Linux."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM"))


def _agreement(folder: Path, network: str) -> None:
    model, size = load_model(network), load_network(network).input_size

    def first_class(data: bytes) -> int:
        pixels = load(data, size=size).pixels
        return int(model.image_classification(unit_range(pixels[None]))[0].argmax())

    same: collections.Counter[str] = collections.Counter()
    errors: dict[str, list[float]] = collections.defaultdict(list)
    references = sorted(folder.glob("*.png"))
    for reference in references:
        data = reference.read_bytes()
        expected, pixels = first_class(data), decode(data).pixels.astype(np.float64)
        for path in sorted(folder.glob(f"{reference.stem}.*")):
            data = path.read_bytes()
            same[path.suffix] += first_class(data) == expected
            errors[path.suffix].append(float(((decode(data).pixels - pixels) ** 2).mean()))
    for suffix, found in errors.items():
        error = float(np.mean(found))
        psnr = f"{10 * np.log10(255**2 / error):.1f} dB" if error else "the same pixels"
        print(f"{suffix}: {same[suffix]} of {len(references)}, {psnr}")


if __name__ == "__main__":
    main(sys.argv[1:])
