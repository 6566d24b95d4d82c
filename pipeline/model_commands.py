"""The sub-commands of `quantlabel model`: what they print."""

from __future__ import annotations

import json
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipeline.model_info import ModelInfo, TensorInfo, describe
from pipeline.model_store import resolve
from pipeline.stand_in import stand_in
from transforms.errors import UserError


def fetch(model: str, *, sha256: str | None) -> None:
    """Downloads a model into the cache and prints where it is.

    Raises:
        UserError: it cannot be had, or is not what it should be.
    """
    stored = resolve(model, sha256=sha256)
    describe(stored.tflite)
    _print_pairs([("file", str(stored.path or stored.source)), ("sha256", stored.sha256)])


def info(model: str, *, sha256: str | None, as_json: bool) -> None:
    """Prints what a model holds, as a table or as JSON.

    Raises:
        UserError: it cannot be had, or is not a quantized MobileNet V1.
    """
    stored = resolve(model, sha256=sha256)
    found = describe(stored.tflite)
    if as_json:
        print(json.dumps({"name": stored.name, **found.as_dict()}, indent=2))
    else:
        _print_pairs([("name", stored.name), *_pairs(found)])


def write_stand_in(output: str, *, multiplier: float, size: int, seed: int) -> None:
    """Writes a model with random weights.

    Raises:
        UserError: no such multiplier or size, or the file cannot be written.
    """
    content = stand_in(multiplier=multiplier, size=size, seed=seed)
    try:
        Path(output).write_bytes(content)
    except OSError as error:
        raise UserError(
            f"--output {output}: cannot be written: {error.strerror}. Name a file in a folder "
            "that exists and that you may write to."
        ) from error


def _pairs(model: ModelInfo) -> list[tuple[str, str]]:
    kind = "stand-in, its labels mean nothing" if model.stand_in else "quantized MobileNet V1"
    return [
        ("kind", kind),
        ("sha256", model.sha256),
        ("size", f"{model.file_bytes:,} bytes"),
        ("multiplier", f"{model.multiplier:g}"),
        ("input", _tensor(model.input)),
        *(("output", _tensor(output)) for output in model.outputs),
        ("logits", _tensor(model.logits)),
        ("features", _tensor(model.features)),
        ("classes", f"{model.classes:,}"),
        ("parameters", f"{model.parameters:,}"),
        ("MACs", f"{model.macs:,}"),
    ]


def _tensor(tensor: TensorInfo) -> str:
    text = f"{tensor.dtype}[{','.join(map(str, tensor.shape))}]"
    if tensor.scale is not None:
        text += f", scale {tensor.scale:.9g}, zero point {tensor.zero_point}"
    return f"{text}  {tensor.name}"


def _print_pairs(pairs: list[tuple[str, str]]) -> None:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in pairs:
        table.add_row(name, escape(value))
    Console().print(table)
