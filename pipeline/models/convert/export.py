"""Converts between the formats of a network: whatever holds one -> SavedModel or tflite."""

from __future__ import annotations

import dataclasses
import hashlib
import time
from pathlib import Path
from typing import Any

from pipeline.models.convert import plain, post_training
from pipeline.models.convert.options import ExportOptions
from pipeline.models.convert.pictures import pictures
from pipeline.models.convert.plain import Agreement
from pipeline.models.float_module import folder, savedmodel
from pipeline.models.float_module.float_network import FloatNetwork
from pipeline.models.float_module.source import read_network
from pipeline.models.float_module.tflite import to_tflite
from pipeline.models.store.module import module_folder
from transforms.errors import UserError
from transforms.storage import local


@dataclasses.dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        path: Folder or file.
        sha256: Of the file, or over all files of the folder
            (`pipeline.models.float_module.folder.sha256`).
        size: Bytes.
        seconds: That reading, converting and writing took.
        agreement: Of a plain model quantized after training with itself; None of others.
    """

    path: str
    sha256: str
    size: int
    seconds: float
    agreement: Agreement | None = None

    def as_dict(self) -> dict[str, Any]:
        """The same as plain values that `json.dumps` takes."""
        return dataclasses.asdict(self)


def export(options: ExportOptions) -> Exported:
    """Converts a network and writes it.

    Raises:
        UserError: The source cannot be had or does not fit, or the output cannot be written.
    """
    with module_folder(options.model) as module:
        if module is not None:
            options = dataclasses.replace(options, model=str(module))
        return _export(options)


def _export(options: ExportOptions) -> Exported:
    start = time.perf_counter()
    output = Path(options.output).expanduser()
    if plain.is_plain(options.model):
        if options.post_training is None:
            raise UserError(
                f"{options.model} is a float model without quantization ranges; what can be made "
                "of it is a quantized tflite: --to tflite --post-training PICTURES"
            )
        rows, columns = plain.input_shape(options.model)
        sample = pictures(options.post_training, size=rows, columns=columns)
        tflite, agreement = plain.quantize_plain(options.model, sample)
        _write(output, tflite)
        identity = hashlib.sha256(tflite).hexdigest(), len(tflite)
        return Exported(str(output), *identity, time.perf_counter() - start, agreement)
    network = read_network(options.model, size=options.size)
    if options.to == "savedmodel":
        # What the source says of itself counts unless the user says otherwise.
        mapping = options.input_range or network.input_range
        savedmodel.save(dataclasses.replace(network, input_range=mapping), output)
        identity = folder.sha256(output), folder.size(output)
    else:
        tflite = _tflite(network, options)
        _write(output, tflite)
        identity = hashlib.sha256(tflite).hexdigest(), len(tflite)
    return Exported(str(output), *identity, time.perf_counter() - start)


def _tflite(network: FloatNetwork, options: ExportOptions) -> bytes:
    if options.post_training is not None:
        return post_training.quantize(network, pictures(options.post_training, size=network.size))
    if not network.is_quantized:
        raise UserError(
            f"{options.model} has no quantization ranges, it was not trained for it; add "
            "--post-training FOLDER with representative pictures"
        )
    return to_tflite(network)


def _write(path: Path, content: bytes) -> None:
    try:
        local.replace(str(path), content)
    except OSError as error:
        raise UserError(
            f"--output {path}: cannot be written: {error.strerror}. Name a file in a folder that "
            "exists and that you may write to."
        ) from error
