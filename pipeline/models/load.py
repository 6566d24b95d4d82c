"""A model name to a network that the transforms can run."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import shlex
from pathlib import Path

from pipeline.models.class_files import LabelFile, class_file
from pipeline.models.float_module import folder
from pipeline.models.hints import IMAGENET, NetworkHints
from pipeline.models.store import conversions
from pipeline.models.store.conversions import Conversion
from pipeline.models.store.module import is_address, module_folder
from pipeline.models.store.store import StoredModel, model_names, resolve
from pipeline.models.tflite import load as tflite
from transforms.errors import UserError
from transforms.network.classes import Classes, imagenet
from transforms.network.network import Network
from transforms.storage.addresses import shown

_log = logging.getLogger(__name__)

LABELS = "labels.txt"
"""Name of the file beside a model that says what its classes are called."""


def load_network(
    model: str,
    *,
    sha256: str | None = None,
    hints: NetworkHints = NetworkHints(),
    pictures: str = "PICTURES",
) -> Network:
    """Finds a model, downloads it where necessary, and makes it ready to run.

    Args:
        model: name, path, gs:// or https:// of a classifier of pictures as tflite; or, which need
            the extra `tensorflow`, the local folder of a TensorFlow 2 SavedModel, or the folder,
            tar archive or address of a hub module, see `pipeline.models.store.module`.
        sha256: the hash that the model must have, or None; of a SavedModel see
            `pipeline.models.float_module.folder.sha256`.
        hints: what the user says of it, the names of its classes above all.
        pictures: what the command that makes a tflite of a float model is to quantize it by, where
            a message names that command.

    Raises:
        UserError: it cannot be had, or is neither.
    """
    require_runnable(model, pictures=pictures)
    with module_folder(model) as module:
        if module is not None:
            if folder.kind_of(module) is folder.Kind.HUB_MODULE:
                name = module_name(model)
                return _of_hub_module(module, name=name, sha256=sha256, hints=hints)
            from transforms.network.savedmodel import import_tensorflow

            import_tensorflow()
            from pipeline.models.float_module import load

            require_module(model, module, pictures=pictures)
            found = load.load(module, sha256=sha256, hints=hints)
            return dataclasses.replace(found, name=module_name(model))
    stored = resolve(model, sha256=sha256)
    return tflite.load(stored.tflite, name=stored.name, hints=hints, beside=beside(stored))


def _of_hub_module(module: Path, *, name: str, sha256: str | None, hints: NetworkHints) -> Network:
    """The tflite that was made of a module in TF1 format, made now if need be, or its own graph."""
    network = _converted_or_own(module, name=name, sha256=sha256, hints=hints)
    if network.note:
        _log.warning("%s", network.note)
    return network


def _converted_or_own(
    module: Path, *, name: str, sha256: str | None, hints: NetworkHints
) -> Network:
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
    from transforms.network.savedmodel import import_tensorflow

    import_tensorflow()
    from pipeline.models.float_module import load

    return load.load(module, hints=hints)


def _convert(module: Path, sha256: str) -> Conversion:
    from transforms.network.savedmodel import import_tensorflow

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


def require_runnable(model: str, *, pictures: str = "PICTURES") -> None:
    """Refuses what only `quantlabel model export` reads, without a look into it.

    Args:
        model: as in `load_network`.
        pictures: as there.

    Raises:
        UserError: it is a checkpoint or a Keras model; says how to make a model to run of it.
    """
    kind = folder.kind_of(Path(model).expanduser())
    if kind is folder.Kind.CHECKPOINT:
        raise UserError(
            f"{model} is a {kind.value}; make a model to run of it first: {_export(model)}"
        )
    if kind is folder.Kind.KERAS:
        raise _to_quantize(model, kind.value, pictures)


def require_module(model: str, module: Path, *, pictures: str = "PICTURES") -> None:
    """Refuses a SavedModel that is no module. Needs tensorflow.

    Args:
        model: as in `load_network`.
        module: its folder.
        pictures: as in `load_network`.

    Raises:
        UserError: it is a float model; says how to make a model to run of it.
    """
    from pipeline.models.float_module import savedmodel

    if savedmodel.is_plain(savedmodel.signatures(module)):
        raise _to_quantize(model, "float SavedModel", pictures)


def _to_quantize(model: str, kind: str, pictures: str) -> UserError:
    return UserError(
        f"{model} is a {kind}; make a quantized model to run of it first: {_export(model)} "
        f"--post-training {shlex.quote(shown(pictures))}"
    )


def _export(model: str) -> str:
    """The command that writes a tflite into the current folder."""
    output = Path(model).expanduser().resolve().name
    for suffix in (".keras", ".h5", ".hdf5", ".gz", ".tgz", ".tar", ".index"):
        output = output.removesuffix(suffix)
    words = ["--model", model, "--to", "tflite", "--output", f"{output}.tflite"]
    return shlex.join(["quantlabel", "model", "export", *words])


def module_name(model: str) -> str:
    """What rows call a module: the last part of a path, or what follows the host in an address."""
    if is_address(model):
        return "/".join(shown(model).split("/")[3:])
    return Path(model).expanduser().resolve().name


def known_classes(*, model: str | None, classes: str | None) -> Classes:
    """The classes of a network, of a file, or else those of the published networks.

    Args:
        model: as in `load_network`, or None.
        classes: as in `NetworkHints`, or None.

    Raises:
        UserError: one of them cannot be had, or they do not go together.
    """
    hints = NetworkHints(classes=classes)
    if model is not None:
        known = load_network(model, hints=hints).classes
        if not len(known):
            raise UserError(f"model {model}: it has no classes, it gives feature vectors alone")
        return known
    return imagenet() if classes in (None, IMAGENET) else class_file(classes)


def beside(stored: StoredModel) -> LabelFile | None:
    """The labels in the folder of a model that a user keeps; published ones need none."""
    if stored.path is None or stored.name in model_names():
        return None
    path = stored.path.parent / LABELS
    try:
        return LabelFile(str(path), path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}; pass --classes FILE") from error
