"""What the pictures in docs/pictures show: a made-up holiday, and terminals as they are drawn."""

from __future__ import annotations

import io
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator, Sequence
from fcntl import ioctl
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.dataset as ds
from PIL import Image
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

from tests.helpers.root import ROOT
from transforms.network.classes import class_names
from transforms.records import Prediction

COLUMNS = 92
"""Of a terminal."""

_PLACES = {
    "castle": 484,
    "alp": 971,
    "cliff": 973,
    "geyser": 975,
    "lakeside": 976,
    "sandbar": 978,
    "seashore": 979,
    "valley": 980,
    "volcano": 981,
}
_PER_PLACE = 18
_WIDTH, _HEIGHT = 320, 240
_PIECES = re.compile(r"\x1b\[\??\d*[AKhl]|\r|\n|(?:\x1b\[[\d;]*m|[^\r\n\x1b])+")
"""Of what is written on a terminal: cursor codes, ends of lines, text with its colours."""
_FONTS = re.compile(r"@font-face \{\{.*?\}\}\s*", re.DOTALL)


def take_pictures(folder: Path) -> None:
    """Landscapes in a folder for each place, and what else is in such folders.

    Of each place one picture is there twice, one smaller as well; two files are no pictures.
    """
    for at, place in enumerate(_PLACES):
        (folder / place).mkdir(parents=True)
        for number in range(_PER_PLACE):
            path = folder / place / f"IMG_{100 * at + number:04d}.jpg"
            Image.fromarray(_scene(at, number)).save(path, quality=85)
        path.with_stem(f"{path.stem}_copy").write_bytes(path.read_bytes())
        smaller = Image.open(path).resize((_WIDTH // 2, _HEIGHT // 2))
        smaller.save(path.with_stem(f"{path.stem}_small"))
    broken = (folder / "alp/IMG_0101.jpg").read_bytes()
    (folder / "alp/IMG_0190.jpg").write_bytes(broken[:900])
    (folder / "cliff/IMG_0290.jpg").write_bytes(b"")


def _scene(place: int, number: int) -> npt.NDArray[np.uint8]:
    """Sky, sun and hills in the colours of the place, uint8[height, width, 3]."""
    colours, random = np.random.RandomState(place), np.random.RandomState(1000 * place + number)
    y, x = np.mgrid[0:_HEIGHT, 0:_WIDTH] / float(_HEIGHT)
    sky = colours.randint(90, 256, 3) * np.array([0.8, 0.9, 1.0])
    picture = sky * (0.55 + 0.45 * y[..., None])
    sun = np.hypot(x - random.uniform(0.2, 1.1), y - random.uniform(0.1, 0.35)) < 0.07
    picture[sun] = (255, 244, 214)
    ground = colours.randint(30, 190, 3).astype(float)
    for layer in range(4):
        waves = [
            random.uniform(0.02, 0.16 / rank) * np.sin(rank * 3 * x + random.uniform(0, 6.3))
            for rank in (1, 2, 3, 5)
        ]
        below = y > 0.42 + 0.15 * layer + np.sum(waves, axis=0)
        picture[below] = ground * (1.1 - 0.22 * layer) + random.uniform(-12, 12, 3)
    return np.asarray(np.clip(picture, 0, 255), np.uint8)


def guesses(folder: Path, own: dict[str, tuple[int, ...]]) -> Iterator[Prediction]:
    """The rows of a run of the stand-in network, with labels as a real network gives them.

    Three of four are right, and mostly the surer ones. Vectors and everything else stay.

    Args:
        folder: of the run.
        own: labels of a label map and their classes.
    """
    files = [str(path) for path in sorted(folder.glob("predictions-*.parquet"))]
    random = np.random.RandomState(7)
    for row in ds.dataset(files).to_table().to_pylist():
        truth = _PLACES[Path(row["uri"]).parent.name]
        others = random.permutation([place for place in _PLACES.values() if place != truth])
        right = random.rand() < 0.75
        best = float(random.beta(5, 2) if right else random.beta(2, 3.5))
        ids = [truth, *others[:4]] if right else [others[0], truth, *others[1:4]]
        rest = np.sort(random.dirichlet(np.full(5, 0.6))[:4])[::-1] * (1 - best)
        yield _guess(row, [int(class_id) for class_id in ids], [best, *rest.tolist()], own)


def _guess(
    row: dict[str, Any], ids: list[int], scores: list[float], own: dict[str, tuple[int, ...]]
) -> Prediction:
    names = class_names()
    order = sorted(range(5), key=lambda at: -scores[at])
    ids, scores = [ids[at] for at in order], [scores[at] for at in order]
    sums = {
        label: sum(score for class_id, score in zip(ids, scores, strict=True) if class_id in of)
        for label, of in own.items()
    }
    mapped = max(sums, key=lambda label: sums[label])
    return Prediction(**row)._replace(
        class_id=ids[0],
        synset=names[ids[0]].synset,
        label=names[ids[0]].label,
        score=scores[0],
        top_class_ids=ids,
        top_labels=[names[class_id].label for class_id in ids],
        top_scores=scores,
        embedding=np.array(row["embedding"], np.float32),
        mapped_label=mapped if sums[mapped] >= 0.5 else None,
        mapped_score=sums[mapped],
    )


class Screen(io.StringIO):
    """Takes what a command writes and passes for a terminal."""

    def isatty(self) -> bool:
        """Always."""
        return True


def in_terminal(words: Sequence[str], *, folder: Path) -> str:
    """What a command writes on a terminal of its own, with every code for colours and cursor."""
    ours, theirs = pty.openpty()
    ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, COLUMNS, 0, 0))
    command = [sys.executable, "-m", "pipeline", *words]
    process = subprocess.Popen(
        command, cwd=folder, stdin=theirs, stdout=theirs, stderr=theirs, env=terminal_environment()
    )
    os.close(theirs)
    written = b""
    while part := _read(ours):
        written += part
    os.close(ours)
    assert process.wait() == 0, written
    return written.decode()


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # how Linux says that the other end is closed
        return b""


def terminal_environment() -> dict[str, str]:
    """Of a terminal in colour that is `COLUMNS` wide."""
    colours = {"TERM": "xterm-256color", "COLORTERM": "truecolor", "COLUMNS": str(COLUMNS)}
    kept = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    root = ROOT
    return {**kept, **colours, "PYTHONPATH": str(root)}


def lasting(written: str) -> str:
    """What is still on a terminal at the end: without bars and spinners."""
    return "\n".join(_played(written)[0]).strip("\n")


def bars(written: str) -> list[str]:
    """The states of the bar of `label`, first to last."""
    return [line for line in _played(written)[1] if line.startswith("Labelling")]


def _played(written: str) -> tuple[list[str], list[str]]:
    """The lines of a terminal at the end, and those that were erased before."""
    lines, erased, row = [""], [], 0
    for piece in _PIECES.findall(written):
        if piece == "\n":
            row += 1
            lines += [""] * (row == len(lines))
        elif piece == "\x1b[2K":
            erased.append(lines[row])
            lines[row] = ""
        elif piece == "\x1b[1A":
            row -= 1
        elif piece != "\r" and not piece.startswith("\x1b[?"):  # nothing is written over a line
            lines[row] += piece
    return lines, erased


def drawn(*commands: tuple[str, str]) -> str:
    """An SVG of a terminal, without fonts from elsewhere.

    Args:
        commands: each as it is typed, and what it wrote.
    """
    console = Console(
        record=True,
        width=COLUMNS,
        file=io.StringIO(),
        force_terminal=True,
        color_system="truecolor",
    )
    for typed, written in commands:
        console.print(Text(f"$ {typed}", style="bold"))
        console.print(Text.from_ansi(written))
    console.print()  # the last line is cut off below its letters
    svg = console.export_svg(title="quantlabel", code_format=_FONTS.sub("", CONSOLE_SVG_FORMAT))
    return svg.replace("Fira Code", "ui-monospace, Menlo, Consolas")
