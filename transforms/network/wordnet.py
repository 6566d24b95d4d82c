"""What the classes are kinds of: WordNet's hypernyms above the classes of ILSVRC-2012."""

from __future__ import annotations

import functools
import importlib.resources
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from transforms.network.classes import Classes, class_names


class Synset(NamedTuple):
    """A class, or something that classes are kinds of.

    Attributes:
        synset: WordNet 3.0 id such as n02121620.
        names: its names, the usual one first.
        parents: ids of the synsets that it is a kind of.
        class_ids: of the classes that are kinds of it, itself included; sorted.
    """

    synset: str
    names: tuple[str, ...]
    parents: tuple[str, ...]
    class_ids: tuple[int, ...]


@functools.lru_cache(maxsize=1)
def synsets() -> Mapping[str, Synset]:
    """The 1000 classes and everything that they are kinds of, by id.

    They come from `wordnet_hypernyms.tsv`, which `scripts/make_wordnet_hypernyms.py` makes.
    """
    table = importlib.resources.files("transforms.network").joinpath("wordnet_hypernyms.tsv")
    _, *lines = table.read_text(encoding="utf-8").splitlines()
    rows = [line.split("\t") for line in lines]
    parents = {synset: tuple(above.split()) for synset, above, _ in rows}
    names = {synset: tuple(text.split(", ")) for synset, _, text in rows if text}
    names |= {name.synset: name.names for name in class_names()[1:] if name.synset}
    members = _members(parents)
    return {
        synset: Synset(synset, names[synset], above, tuple(sorted(members[synset])))
        for synset, above in parents.items()
    }


@functools.lru_cache(maxsize=2)
def synset_members(classes: Classes) -> Mapping[str, Sequence[int]]:
    """Ids of the classes below each synset; nothing for classes of one's own."""
    if not classes.are_imagenet:
        return {}
    first = len(class_names()) - len(classes)  # without the background all ids are one less
    return {
        synset: [class_id - first for class_id in each.class_ids]
        for synset, each in synsets().items()
    }


def _members(parents: Mapping[str, tuple[str, ...]]) -> Mapping[str, set[int]]:
    """Classes below each synset."""
    members: dict[str, set[int]] = defaultdict(set)
    for name in class_names()[1:]:
        waiting = [name.synset or ""]
        while waiting:
            synset = waiting.pop()
            # A synset may be reached on several ways.
            if name.class_id not in members[synset]:
                members[synset].add(name.class_id)
                waiting += parents[synset]
    return members
