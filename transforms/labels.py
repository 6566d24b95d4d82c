"""Names of the 1001 classes."""

from __future__ import annotations

import functools
import importlib.resources
from typing import NamedTuple


class ClassName(NamedTuple):
    """One class.

    Attributes:
        class_id: 0..1000, the position among the logits.
        synset: WordNet 3.0 id such as n02123159; the empty string for the background class 0.
        names: Its names, the usual one first. Classes may share it: 135 and 518 are both `crane`.
    """

    class_id: int
    synset: str
    names: tuple[str, ...]

    @property
    def label(self) -> str:
        """The first name."""
        return self.names[0]


@functools.lru_cache(maxsize=1)
def class_names() -> tuple[ClassName, ...]:
    """All classes in order of id: the background, then the ILSVRC-2012 synsets in sorted order.

    They come from `imagenet_classes.tsv`, which `make_imagenet_classes.py` beside it makes.
    """
    table = importlib.resources.files("transforms").joinpath("imagenet_classes.tsv")
    _, *lines = table.read_text(encoding="utf-8").splitlines()
    return tuple(_class_name(line) for line in lines)


def _class_name(line: str) -> ClassName:
    class_id, synset, names = line.split("\t")
    return ClassName(int(class_id), synset, tuple(names.split(", ")))
