"""Names of the 1001 classes."""

from __future__ import annotations

import functools
import importlib.resources
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
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

    They come from `imagenet_classes.tsv`, which `scripts/make_imagenet_classes.py` makes.
    """
    table = importlib.resources.files("transforms.network").joinpath("imagenet_classes.tsv")
    _, *lines = table.read_text(encoding="utf-8").splitlines()
    return tuple(_class_name(line) for line in lines)


def _class_name(line: str) -> ClassName:
    class_id, synset, names = line.split("\t")
    return ClassName(int(class_id), synset, tuple(names.split(", ")))


def find_classes(text: str) -> tuple[ClassName, ...]:
    """The classes that a text may mean.

    Args:
        text: a class id (`283`), a synset (`n02123159`), a name (`tiger cat`, `tiger_cat`), all
            names of a class as a list (`tabby, tabby cat`) or, as exports write it where classes
            share a name, a name and the id (`crane (135)`).

    Returns:
        None, one or several: `crane` is a bird and a machine. Upper and lower case count where they
        tell classes apart (`Cardigan` is a dog, `cardigan` a garment).
    """
    text = text.strip()
    by_key = _classes_by_key()
    found = by_key.get(text) or by_key.get(_folded(text)) or ()
    if not found and (numbered := _NUMBERED.fullmatch(text)):
        name, class_id = numbered.groups()
        return tuple(each for each in find_classes(name) if str(each.class_id) == class_id)
    return found


def ambiguous(text: str, called: Sequence[ClassName]) -> str:
    """For messages: that a text means several classes, and which."""
    choices = " and ".join(f"{each.class_id} ({each.synset})" for each in called)
    return f"{text!r} is the name of the classes {choices}; use the synset"


@functools.lru_cache(maxsize=1)
def _classes_by_key() -> Mapping[str, tuple[ClassName, ...]]:
    found: dict[str, dict[int, ClassName]] = defaultdict(dict)
    for each in class_names():
        exact = {str(each.class_id), each.synset, *each.names, ", ".join(each.names)} - {""}
        for key in exact | {f"{_FOLDED}{key.casefold()}" for key in exact}:
            found[key][each.class_id] = each
    return {key: tuple(classes.values()) for key, classes in found.items()}


_NUMBERED = re.compile(r"(.+) \((\d+)\)")

# Marks keys without upper case; no name holds it.
_FOLDED = "\0"


def _folded(text: str) -> str:
    return _FOLDED + text.replace("_", " ").casefold()
