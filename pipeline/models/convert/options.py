"""What to export, validated before tensorflow is imported."""

from __future__ import annotations

import dataclasses
from typing import Final, Literal, get_args

from pipeline.console.checks import require
from pipeline.models.float_module.float_network import INPUT_RANGES, InputRange
from transforms.errors import UsageError

Target = Literal["savedmodel", "tflite"]
TARGETS: Final[tuple[Target, ...]] = get_args(Target)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """What to convert into what.

    Attributes:
        model: As in `pipeline.models.float_module.source.read_network`.
        to: savedmodel or tflite.
        output: The folder or file to write.
        size: Rows and columns of the input, for a checkpoint whose name does not say so.
        input_range: How a SavedModel maps images, see `InputRange`; None: as the source, `byte` if
            it says nothing.
        post_training: A sample of pictures, as of `quantlabel label --input`, to quantize a float
            network by; None: by the ranges that the network was trained with.

    Raises:
        UsageError: A value that cannot work, named with what was expected.
    """

    model: str
    to: Target
    output: str
    size: int | None = None
    input_range: InputRange | None = None
    post_training: str | None = None

    def __post_init__(self) -> None:
        """Checks every value; touches no file."""
        require(self.to in TARGETS, "--to", " or ".join(TARGETS), self.to)
        known = self.input_range in (None, *INPUT_RANGES)
        require(known, "--input-range", " or ".join(INPUT_RANGES), self.input_range)
        if self.input_range and self.to != "savedmodel":
            raise UsageError("--input-range is for --to savedmodel; a tflite takes bytes")
        if self.post_training and self.to != "tflite":
            raise UsageError("--post-training makes a tflite; add --to tflite")
