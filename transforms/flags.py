"""What may be odd about a picture, whatever it shows: the flags of `--quality`.

Imports nothing heavy: `--help` lists them.
"""

from __future__ import annotations

from typing import NamedTuple


class Flags(NamedTuple):
    """The flags of a picture, each a column of its row. `transforms.images.quality` raises them.

    Attributes:
        blurry: even its sharpest edges are wide.
        dark: nothing in it is bright.
        bright: nothing in it is dark, or much of it is as light as can be.
        low_information: it shows next to nothing: one colour, a gradient, an empty page.
        grey: it has no colours.
        odd_shape: one side is far longer than the other.
        tiny: it has very few pixels.
    """

    blurry: bool
    dark: bool
    bright: bool
    low_information: bool
    grey: bool
    odd_shape: bool
    tiny: bool
