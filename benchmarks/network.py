"""The network that every contestant runs."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from benchmarks.results import Results
from pipeline.models.store import store
from pipeline.models.tflite.stand_in import stand_in

NAME = "mobilenet_v1_0.25_128_quant"

_ROOT = Path(__file__).resolve().parent.parent


class Network(NamedTuple):
    """A network.

    Attributes:
        tflite: the file as it was published.
        trained: whether its answers mean anything.
    """

    tflite: bytes
    trained: bool


def find_network(model: str | None, results: Results) -> Network:
    """The network of this name or path; by default the first to be had without a download.

    Looked for in the cache, in models/ and in ../shared/models/. Failing that it is a stand-in with
    random weights, which takes as long; the results then say so.

    Raises:
        UserError: `model` is named and cannot be had.
    """
    if model:
        return Network(store.resolve(model).tflite, trained=True)
    if cached := store.cached(NAME):
        return Network(cached.tflite, trained=True)
    for folder in (_ROOT / "models", _ROOT.parent / "shared" / "models"):
        path = folder / f"{NAME}.tflite"
        if path.is_file():
            return Network(path.read_bytes(), trained=True)
    results.notes.append(
        f"{NAME} is neither cached nor in models/: a stand-in with random weights takes its place."
    )
    return Network(stand_in(), trained=False)
