"""Makes `imagenet_classes.tsv`, the names of the classes, from public metadata.

    python -m scripts.make_imagenet_classes [WHEEL]

The Python package timm (Apache-2.0) carries the ids of the 1000 synsets of ILSVRC-2012 in the order
in which networks number them, and the names that WordNet gives them. Without WHEEL, the path of a
wheel of timm, pip downloads the one named here.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

TIMM = "timm==1.0.31"
TABLE = Path(__file__).resolve().parent.parent / "transforms" / "network" / "imagenet_classes.tsv"

_FOLDER = "timm/data/_info"
_SYNSETS = f"{_FOLDER}/imagenet_synsets.txt"
_NAMES = f"{_FOLDER}/imagenet_synset_to_lemma.txt"


def table(wheel: Path) -> str:
    """The content of the table, from a wheel of timm.

    Returns:
        A heading and 1001 lines of class id, synset and names, separated by tabs; the names by a
        comma and a space. Class 0 is the background, without a synset.

    Raises:
        ValueError: The wheel does not hold 1000 synsets in sorted order.
    """
    with zipfile.ZipFile(wheel) as archive:
        synsets = archive.read(_SYNSETS).decode("utf-8").split()
        lines = archive.read(_NAMES).decode("utf-8").splitlines()
    if len(synsets) != 1000 or synsets != sorted(set(synsets)):
        raise ValueError(f"{wheel}: expected 1000 synsets in sorted order in {_SYNSETS}")
    names = dict(line.split("\t") for line in lines)
    rows = [("", "background"), *((synset, names[synset]) for synset in synsets)]
    body = "".join(f"{number}\t{synset}\t{text}\n" for number, (synset, text) in enumerate(rows))
    return f"class_id\tsynset\tnames\n{body}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Writes the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("wheel", nargs="?", type=Path, help=f"default: download {TIMM} with pip")
    wheel: Path | None = parser.parse_args(arguments).wheel
    with tempfile.TemporaryDirectory() as folder:
        TABLE.write_text(table(wheel or _download(Path(folder))), encoding="utf-8", newline="\n")


def _download(folder: Path) -> Path:
    pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    subprocess.run([*pip, "--dest", str(folder), TIMM], check=True)
    return next(folder.glob("timm-*.whl"))


if __name__ == "__main__":
    main()
