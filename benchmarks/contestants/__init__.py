"""The programs that are compared, each a script of its own, written as its own guide would.

The scripts do the same main work, pictures of a folder through the same network to Parquet, but
only what their guides lead to: they write path, class and score of each picture. Ours writes its
full row, with hash, size, top 5 and 256-d feature vector, and tells failures apart; it gets no
allowance for that.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path

from transforms.errors import UserError

_FOLDER = Path(__file__).resolve().parent

BEFORE = "before"
"""The contestant that `--against` adds."""


@dataclasses.dataclass(frozen=True)
class Job:
    """What a contestant is given.

    Attributes:
        pictures: folder that holds the pictures and nothing else, no sub-folders.
        output: folder to write to, not there yet.
        tflite: the network as it was published.
        keras: the same network as a Keras file.
        before: folder with the source of an earlier version of quantlabel, or None.
    """

    pictures: Path
    output: Path
    tflite: Path
    keras: Path
    before: Path | None = None


@dataclasses.dataclass(frozen=True)
class Contestant:
    """One of the programs.

    Attributes:
        name: what the command line and the results call it.
        title: what a reader is told.
        command: the whole command line for a job.
        modules: that must be importable, besides what quantlabel itself needs.
        writes: whether it writes Parquet.
    """

    name: str
    title: str
    command: Callable[[Job], list[str]]
    modules: tuple[str, ...] = ()
    writes: bool = True

    @property
    def missing(self) -> list[str]:
        """Those of its modules that are not installed."""
        return [name for name in self.modules if importlib.util.find_spec(name) is None]


def quantlabel() -> str:
    """The command as it is installed beside this interpreter.

    Raises:
        UserError: it is not there.
    """
    path = Path(sys.executable).with_name("quantlabel")
    if not path.is_file():
        raise UserError(
            f"{path}: not found. Install this checkout first: pip install -e '.[bench]'"
        )
    return str(path)


def _label(job: Job) -> list[str]:
    return [
        *("label", "--input", str(job.pictures), "--output", str(job.output)),
        *("--model", str(job.tflite), "--quiet"),
    ]


def _ours(job: Job) -> list[str]:
    return [quantlabel(), *_label(job)]


def _before(job: Job) -> list[str]:
    # -P: the folder that this runs in holds a newer one.
    return ["env", f"PYTHONPATH={job.before}", sys.executable, "-P", "-m", "pipeline", *_label(job)]


def on_cores(cores: int, name: str, job: Job) -> list[str]:
    """The command line of ours, or of the version before, on so many simulated cores."""
    earlier = ["env", f"PYTHONPATH={job.before}"] if name == BEFORE else []
    program = str(_FOLDER / "simulated_cores.py")
    return [*earlier, sys.executable, program, str(cores), *_label(job)]


def script(name: str, *arguments: Path) -> list[str]:
    """The command line of a script of this folder."""
    return [sys.executable, str(_FOLDER / name), *map(str, arguments)]


CONTESTANTS = {
    contestant.name: contestant
    for contestant in (
        Contestant("ours", "quantlabel", _ours),
        Contestant(BEFORE, "quantlabel before (--against)", _before),
        Contestant(
            "limit",
            "unavoidable work, no output",
            lambda job: script("limit.py", job.pictures, job.tflite),
            writes=False,
        ),
        Contestant(
            "script",
            "hand-written, Pillow and LiteRT",
            lambda job: script("handwritten.py", job.pictures, job.output, job.tflite),
        ),
        Contestant(
            "daft",
            "Daft, class UDF",
            lambda job: script("daft_udf.py", job.pictures, job.output, job.tflite),
            modules=("daft",),
        ),
        Contestant(
            "ray",
            "Ray Data, actors",
            lambda job: script("ray_actors.py", job.pictures, job.output, job.tflite),
            modules=("ray",),
        ),
        Contestant(
            "beam_example",
            "Beam's TensorFlow example",
            lambda job: script("beam_example.py", job.pictures, job.output, job.keras),
            modules=("tensorflow", "tensorflow_hub"),
        ),
    )
}
"""By name, in the order in which they run and are shown."""
