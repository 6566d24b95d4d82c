"""How a picture becomes pixels: what a caller may choose. Imports nothing heavy."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal, TypedDict, get_args

Method = Literal["eval", "slim", "stretch", "stretch-nearest"]
"""How a picture becomes a square, or for some networks another rectangle:

- eval: as the evaluation tool of TensorFlow Lite, whose accuracy is the published one: central
  square of 0.875 x the shorter side, legacy bilinear kernel, truncated. For a network whose input
  is no square: 0.875 of the largest rectangle of that form.
- slim: as `preprocess_for_eval` of TF-Slim: the central 0.875 of each side, so the picture keeps
  its whole width and is squeezed; the same kernel.
- stretch: the whole picture, `PIL.Image.resize` with its default filter (bicubic, anti-aliased).
- stretch-nearest: the whole picture by nearest neighbour, as Coral's regression test does.
"""

METHODS: tuple[Method, ...] = get_args(Method)

VIEWS = (1, 2, 4)
"""How often the network may look at a picture: once; at it and its mirror image; or at both, in the
usual crop and in one of 0.75 instead of 0.875. Mirrored is the input of the network, which costs
nothing. On the 200 labelled photographs these two crops did better than 1 and 0.875 or 1 and 0.75.
"""

Colour = Literal["managed", "ignore"]
"""What becomes of a colour profile: the picture is converted to sRGB by it, unless it is sRGB; or
nothing, as in the network's own evaluation."""

COLOURS: tuple[Colour, ...] = get_args(Colour)

MAX_PIXELS = 100_000_000
MAX_BYTES = 256 * 1024 * 1024


@dataclasses.dataclass(frozen=True)
class Preprocessing:
    """How pictures are loaded: the same bytes and the same object give the same pixels.

    Attributes:
        method: how the picture is cropped and resampled.
        size: rows of the result, in pixels, as of the network's input; and columns, unless
            `columns` says otherwise.
        views: how often the network will look at it, one of `VIEWS`. Four need a method that crops.
        max_pixels: pictures with more are failures, told from the header.
        max_bytes: files with more are failures, told before they are read.
        colour: what becomes of colour profiles, one of `COLOURS`.
        columns: of a result that is no square, else None.
    """

    method: Method = "eval"
    size: int = 128
    views: int = 1
    max_pixels: int = MAX_PIXELS
    max_bytes: int = MAX_BYTES
    colour: Colour = "managed"
    columns: int | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the result."""
        return self.size, self.columns or self.size

    def as_dict(self) -> dict[str, Any]:
        """What the manifest has in this part; the rest is among its options."""
        columns = {} if self.columns is None else {"columns": self.columns}
        return {"method": self.method, "size": self.size, **columns, "views": self.views}


class PreprocessingChanges(TypedDict, total=False):
    """Fields of `Preprocessing` that a caller may give by name in place of a whole object."""

    method: Method
    size: int
    columns: int | None
    views: int
    colour: Colour
    max_pixels: int
    max_bytes: int
