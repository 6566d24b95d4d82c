"""A TF1-format hub module made ready to run: as a tflite, made of it once, or as its own graph."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
from pathlib import Path

from pipeline.models.float_module import folder
from pipeline.models.hints import NetworkHints
from pipeline.models.store import conversions
from pipeline.models.store.conversions import Conversion
from pipeline.models.tflite import load as tflite
from transforms.errors import UserError
from transforms.network.network import Network
from transforms.network.savedmodel import import_tensorflow

_log = logging.getLogger(__name__)


def load(module: Path, *, name: str, sha256: str | None, hints: NetworkHints) -> Network:
    """Finds the tflite that was made of a module, makes it, or else takes the module as it is.

    Args:
        module: its folder.
        name: what rows call it.
        sha256: the hash that `pipeline.models.float_module.folder.sha256` must give, or None.
        hints: what the user says of it; the names of its classes alone count here.

    Raises:
        UserError: it has another hash or other classes than it should; it is damaged; or nothing
            was made of it yet and tensorflow is not installed.
    """
    network = _load(module, name=name, sha256=sha256, hints=hints)
    if network.note:
        _log.warning("%s", network.note)
    return network


def _load(module: Path, *, name: str, sha256: str | None, hints: NetworkHints) -> Network:
    found = folder.sha256(module)
    folder.require_sha256(module, found, sha256)
    conversion = conversions.find(found)
    if conversion is None or conversion.tflite is None:
        # First, so that what is wrong with it is said before a conversion takes its time.
        own = _own_graph(module, hints)
        conversion = conversion or _convert(module, found)
        if conversion.tflite is None:
            note = f"{name}: TensorFlow runs its own graph, {conversion.reason}"
            return dataclasses.replace(own, name=name, note=note)
    network = tflite.load_module(conversion.tflite, name=name, hints=hints)
    note = f"{name}: {conversion.reason}" if conversion.reason else ""
    return dataclasses.replace(network, note=note)


def _own_graph(module: Path, hints: NetworkHints) -> Network:
    import_tensorflow()
    from pipeline.models.float_module import load

    return load.load(module, hints=hints)


def _convert(module: Path, sha256: str) -> Conversion:
    version = str(import_tensorflow().__version__)
    from pipeline.models.convert import hub_module

    place = conversions.slot(sha256, version)
    with contextlib.ExitStack() as closing:
        try:
            closing.enter_context(place.locked())
        except UserError as error:
            return Conversion(None, f"it was not converted ({error})")
        # Another process may just have done it.
        return conversions.read(place) or hub_module.convert(module, place)
