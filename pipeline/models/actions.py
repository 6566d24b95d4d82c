"""The sub-commands of `quantlabel model`: what they do and answer."""

from __future__ import annotations

import contextlib
import hashlib
import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipeline.console.parser import Answer
from pipeline.console.terminal import only_ours, progress_console
from pipeline.models.hints import NetworkHints
from pipeline.models.load import beside, module_name, require_module, require_runnable
from pipeline.models.store.module import module_folder
from pipeline.models.store.store import resolve
from pipeline.models.tflite.info import ModelInfo, TensorInfo, describe
from pipeline.models.tflite.stand_in import stand_in
from transforms.errors import UserError
from transforms.storage import local

if TYPE_CHECKING:
    from pipeline.models.convert.compare import Comparison
    from pipeline.models.convert.export import Exported
    from pipeline.models.convert.options import ExportOptions
    from pipeline.models.convert.plain import Agreement
    from pipeline.models.float_module.describe import ModuleInfo


_DIFFERING_SHOWN = 10


def fetch(model: str, *, sha256: str | None) -> Answer:
    """Downloads a model into the cache; answers where it is.

    Raises:
        UserError: it cannot be had, or is not what it should be.
    """
    stored = resolve(model, sha256=sha256)
    describe(stored.tflite, beside=beside(stored))
    found = {"file": str(stored.path or stored.source), "sha256": stored.sha256}
    return _written(found)


def _written(found: dict[str, str]) -> Answer:
    return Answer(found, lambda console: _print_pairs([*found.items()], console))


def info(model: str, *, sha256: str | None, hints: NetworkHints, verbose: bool) -> Answer:
    """Answers what a model holds.

    Raises:
        UserError: it cannot be had, or is no classifier of pictures.
    """
    require_runnable(model)
    with module_folder(model) as module:
        if module is not None:
            return _info_of_module(model, module, sha256=sha256, hints=hints, verbose=verbose)
    stored = resolve(model, sha256=sha256)
    found = describe(stored.tflite, hints, beside=beside(stored))
    pairs = [("name", stored.name), *_pairs(found)]
    return Answer(
        {"name": stored.name, **found.as_dict()}, lambda console: _print_pairs(pairs, console)
    )


def export(options: ExportOptions, *, verbose: bool) -> Answer:
    """Converts a model; answers what was written.

    Raises:
        UserError: it cannot be converted or written, or tensorflow is not installed.
    """
    with _tensorflow(f"converting {options.model}", verbose=verbose):
        from pipeline.models.convert.export import export as convert

        done = convert(options)
    return Answer(done.as_dict(), lambda console: _print_pairs(_export_pairs(done), console))


def _export_pairs(done: Exported) -> list[tuple[str, str]]:
    return [
        ("written", done.path),
        ("sha256", done.sha256),
        ("size", f"{done.size:,} bytes"),
        ("time", f"{done.seconds:.1f} s"),
        *(_agreement_pairs(done.agreement) if done.agreement else []),
    ]


def _agreement_pairs(found: Agreement) -> list[tuple[str, str]]:
    differing = [
        f"class {float_class} is {quantized} now ({count})"
        for float_class, quantized, count in found.differing[:_DIFFERING_SHOWN]
    ]
    return [
        ("pictures", f"{found.pictures:,}"),
        ("same class", f"{_percent(found.first / found.pictures)} as the float model"),
        ("three best", f"{_percent(found.close / found.pictures)} hold the float model's class"),
        *([("most differing", ", ".join(differing))] if differing else []),
    ]


def compare(a: str, b: str, *, source: str, verbose: bool) -> Answer:
    """Runs two models over the same pictures; answers where they differ.

    Raises:
        UserError: one cannot be had, or they are of different kinds, or tensorflow is missing.
    """
    with _tensorflow(f"comparing {a} with {b}", verbose=verbose):
        from pipeline.models.convert import compare as comparison
        from pipeline.models.convert.pictures import pictures
        from pipeline.models.convert.taps import tapped

        left, right = tapped(a), tapped(b)
        found = comparison.compare(left, right, pictures(source, size=left.size))
    return Answer(found.as_dict(), lambda console: _print_comparison(found, console))


@contextlib.contextmanager
def _tensorflow(doing: str, *, verbose: bool) -> Iterator[None]:
    """Imports tensorflow, quietly, and says meanwhile what is being done."""
    with (
        only_ours(verbose=verbose) as stderr,
        progress_console(stderr).status(escape(f"{doing} ...")),
    ):
        from transforms.network.savedmodel import import_tensorflow

        import_tensorflow()
        yield


def _print_comparison(found: Comparison, console: Console) -> None:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("layer")
    for heading in ("step", "max, steps", "mean, steps", "equal"):
        table.add_column(heading, justify="right")
    for layer in found.layers:
        table.add_row(
            layer.name,
            f"{layer.step:.6f}",
            f"{layer.max_steps:.2f}",
            f"{layer.mean_steps:.4f}",
            _percent(layer.equal),
        )
    console.print(table)
    console.print()
    pairs = [
        ("pictures", f"{found.pictures:,}"),
        ("same first class", _percent(found.top1)),
        ("first class among the other's five best", _percent(found.top5)),
    ]
    _print_pairs(pairs, console)


def _percent(share: float) -> str:
    """Rounded down: 100 % is said of all alone."""
    return f"{math.floor(share * 10_000) / 100:.2f} %"


def _info_of_module(
    model: str, module: Path, *, sha256: str | None, hints: NetworkHints, verbose: bool
) -> Answer:
    name = module_name(model)
    with _tensorflow(f"reading {name}", verbose=verbose):
        from pipeline.models.float_module.describe import describe as describe_module

        require_module(model, module)
        found = describe_module(module, sha256=sha256, hints=hints)
    pairs = [("name", name), *_module_pairs(found)]
    return Answer({"name": name, **found.as_dict()}, lambda console: _print_pairs(pairs, console))


def _module_pairs(module: ModuleInfo) -> list[tuple[str, str]]:
    size = module.input_size
    return [
        ("kind", module.kind),
        ("sha256", f"{module.sha256} over all files"),
        ("size", f"{module.file_bytes:,} bytes"),
        *([("multiplier", f"{module.network.multiplier:g}")] if module.network else []),
        ("input", f"images float32[-1,{size},{size},3] in [0,1]{_mapped(module)}"),
        *(
            (name, ", ".join(f"{out} float32{shape}" for out, shape in outputs.items()))
            for name, outputs in module.signatures.items()
        ),
        ("classes", f"{module.classes:,}: {module.labels}"),
        *(
            [
                ("parameters", f"{module.network.parameters:,}"),
                ("MACs", f"{module.network.macs:,}"),
            ]
            if module.network
            else []
        ),
    ]


def _mapped(module: ModuleInfo) -> str:
    return f", mapped as {module.network.input_range}" if module.network else ""


def write_stand_in(output: str, *, multiplier: float, size: int, seed: int) -> Answer:
    """Writes a model with random weights; answers where, with its hash.

    Raises:
        UserError: no such multiplier or size, or the file cannot be written.
    """
    content = stand_in(multiplier=multiplier, size=size, seed=seed)
    try:
        local.replace(output, content)
    except OSError as error:
        raise UserError(
            f"--output {output}: cannot be written: {error.strerror}. Name a file in a folder "
            "that exists and that you may write to."
        ) from error
    return _written({"file": output, "sha256": hashlib.sha256(content).hexdigest()})


def _pairs(model: ModelInfo) -> list[tuple[str, str]]:
    kind = "classifier" if model.multiplier is None else "quantized MobileNet V1"
    if model.stand_in:
        kind = "stand-in, its labels mean nothing"
    return [
        ("kind", kind),
        ("sha256", model.sha256),
        ("size", f"{model.file_bytes:,} bytes"),
        *([("multiplier", f"{model.multiplier:g}")] if model.multiplier else []),
        ("input", _tensor(model.input)),
        ("takes", model.takes),
        *(("output", _tensor(output)) for output in model.outputs),
        *([(model.gives.partition(",")[0], _tensor(model.logits))] if model.logits else []),
        ("gives", model.gives),
        ("features", _tensor(model.features) if model.features else "none"),
        ("classes", f"{model.classes:,}: {model.labels}"),
        ("parameters", f"{model.parameters:,}"),
        ("MACs", f"{model.macs:,}"),
    ]


def _tensor(tensor: TensorInfo) -> str:
    text = f"{tensor.dtype}[{','.join(map(str, tensor.shape))}]"
    if tensor.scale is not None:
        text += f", scale {tensor.scale:.9g}, zero point {tensor.zero_point}"
    return f"{text}  {tensor.name}"


def _print_pairs(pairs: list[tuple[str, str]], console: Console) -> None:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in pairs:
        table.add_row(name, escape(value))
    console.print(table)
