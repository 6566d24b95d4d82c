"""What a user says of a network that its file does not say, or says otherwise."""

from __future__ import annotations

import dataclasses
from typing import Final, Literal, get_args

from pipeline.console.checks import require
from transforms.network.classes import Classes
from transforms.network.scoring import Outputs

OUTPUTS: Final[tuple[Outputs, ...]] = get_args(Outputs)

InputRange = Literal["byte", "unit", "symmetric"]
"""What a network takes: 0 to 255, 0 to 1, or -1 to 1."""

INPUT_RANGES: Final[tuple[InputRange, ...]] = get_args(InputRange)

NO_EMBEDDING: Final = "none"

IMAGENET: Final = "imagenet"
"""In place of a file of classes: those of ILSVRC-2012."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class NetworkHints:
    """None of them is needed for a published network.

    Attributes:
        classes: file with the names of the classes, see `pipeline.models.class_files`; `imagenet`;
            or the classes themselves.
        embedding_tensor: name of the tensor with the feature vector, or `none`.
        outputs: what the network gives for each class, or that it has none.
        input_range: what a network takes whose input has no quantization.

    Raises:
        UsageError: a value that cannot work.
    """

    classes: str | Classes | None = None
    embedding_tensor: str | None = None
    outputs: Outputs | None = None
    input_range: InputRange | None = None

    def __post_init__(self) -> None:
        """Checks every value; touches no file."""
        require(self.classes != "", "--classes", "a file, or imagenet", self.classes)
        require(
            self.embedding_tensor != "",
            "--embedding-tensor",
            "the name of a tensor, or none",
            self.embedding_tensor,
        )
        known = self.outputs is None or self.outputs in OUTPUTS
        require(known, "--outputs", f"one of {', '.join(OUTPUTS)}", self.outputs)
        known = self.input_range is None or self.input_range in INPUT_RANGES
        require(known, "--input-range", f"one of {', '.join(INPUT_RANGES)}", self.input_range)
