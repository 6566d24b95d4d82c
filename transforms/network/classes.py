"""The classes that a network tells apart, and what they are called."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import importlib.resources
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

Key = Literal["class_id", "synset", "label"]
"""What can tell a class."""

MOST = 32_767
"""Classes of a network at most: their ids are numbers of 16 bits in truths."""


class ClassName(NamedTuple):
    """One class.

    Attributes:
        class_id: the position among the outputs.
        synset: WordNet 3.0 id such as n02123159; the empty string for the background of ImageNet,
            None for a class of one's own.
        names: Its names, the usual one first. Classes may share it: 135 and 518 are both `crane`.
    """

    class_id: int
    synset: str | None
    names: tuple[str, ...]

    @property
    def label(self) -> str:
        """The first name."""
        return self.names[0]


@dataclasses.dataclass(frozen=True)
class Classes:
    """The classes of a network, in the order of its outputs.

    Attributes:
        vocabulary: imagenet-1001, the background and the synsets of ILSVRC-2012 in sorted order;
            imagenet-1000, these without the background; own, labels that a user has given; or none,
            of a network that gives feature vectors alone.
        names: of the classes.
    """

    vocabulary: Literal["imagenet-1001", "imagenet-1000", "own", "none"]
    names: tuple[ClassName, ...] = dataclasses.field(repr=False)

    @classmethod
    def own(cls, labels: Sequence[str]) -> Classes:
        """Classes of one's own, or ImageNet's if all labels are its names in its order."""
        for known in (imagenet(), imagenet(background=False)):
            if len(known) == len(labels) and all(
                each in known.find(label) for each, label in zip(known, labels, strict=True)
            ):
                return known
        return cls("own", tuple(ClassName(at, None, (each,)) for at, each in enumerate(labels)))

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Classes:
        """What `as_dict` was made from.

        Raises:
            ValueError: it is not what `as_dict` gives.
        """
        vocabulary, labels = content.get("vocabulary"), content.get("labels")
        if isinstance(vocabulary, str) and vocabulary in _KNOWN:
            return _KNOWN[vocabulary]()
        if vocabulary != "own":
            raise ValueError(f"vocabulary: expected own, {' or '.join(_KNOWN)}")
        if not isinstance(labels, list) or not all(isinstance(each, str) for each in labels):
            raise ValueError("labels: expected the name of each class")
        if not 0 < len(labels) <= MOST:
            raise ValueError(f"labels: expected 1 to {MOST:,}, found {len(labels):,}")
        return cls("own", tuple(ClassName(at, None, (each,)) for at, each in enumerate(labels)))

    def as_dict(self) -> dict[str, Any]:
        """For the manifest: all that there is to know."""
        if self.vocabulary != "own":
            return {"vocabulary": self.vocabulary}
        return {"vocabulary": "own", "sha256": self.sha256, "labels": self.labels}

    @property
    def sha256(self) -> str:
        """Of the labels, one a line in UTF-8: tells two lists of classes apart."""
        return hashlib.sha256("".join(f"{label}\n" for label in self.labels).encode()).hexdigest()

    @property
    def labels(self) -> list[str]:
        """The first name of each class."""
        return [each.label for each in self.names]

    @property
    def are_imagenet(self) -> bool:
        """Whether they have synsets."""
        return self.vocabulary in ("imagenet-1001", "imagenet-1000")

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[ClassName]:
        return iter(self.names)

    def __getitem__(self, class_id: int) -> ClassName:
        return self.names[class_id]

    def __reduce__(self) -> tuple[Any, ...]:
        """Small in a pickle, and the names of ImageNet are there once in a process."""
        return Classes.from_dict, (self.as_dict(),)

    def find(self, text: str, *, by: Key | None = None) -> tuple[ClassName, ...]:
        """The classes that a text may mean.

        Args:
            text: a name (`tiger cat`, `tiger_cat`), all names of a class as a list (`tabby, tabby
                cat`), a class id (`283`) or a synset (`n02123159`); or, as exports write it where
                classes share a name, a name and the id (`crane (135)`).
            by: which of these it is; None for the first of them that is one.

        Returns:
            None, one or several: `crane` is a bird and a machine. Upper and lower case count where
            they tell classes apart (`Cardigan` is a dog, `cardigan` a garment). A name goes before
            an id: the class called 3 may be the fourth.
        """
        text = text.strip()
        for key in (by,) if by else ("label", "class_id", "synset"):
            folded = (_folded(text),) if key == "label" else ()
            for each in (text, *folded):
                if found := self._by_key[key].get(each):
                    return found
        if by in (None, "label") and (numbered := _NUMBERED.fullmatch(text)):
            name, class_id = numbered.groups()
            called = self.find(name, by="label")
            return tuple(each for each in called if str(each.class_id) == class_id)
        return ()

    @functools.cached_property
    def _by_key(self) -> Mapping[Key, Mapping[str, tuple[ClassName, ...]]]:
        found: dict[str, dict[int, ClassName]] = defaultdict(dict)
        for each in self.names:
            exact = {*each.names, ", ".join(each.names)}
            for key in exact | {_folded(key) for key in exact}:
                found[key][each.class_id] = each
        return {
            "label": {key: tuple(classes.values()) for key, classes in found.items()},
            "class_id": {str(each.class_id): (each,) for each in self.names},
            "synset": {each.synset: (each,) for each in self.names if each.synset},
        }


@functools.cache
def imagenet(*, background: bool = True) -> Classes:
    """The classes of ILSVRC-2012, as the published networks have them or without class 0."""
    if background:
        return Classes("imagenet-1001", class_names())
    names = (each._replace(class_id=each.class_id - 1) for each in class_names()[1:])
    return Classes("imagenet-1000", tuple(names))


def no_classes() -> Classes:
    """Those of a network that gives feature vectors alone."""
    return Classes("none", ())


_KNOWN: Mapping[str, Callable[[], Classes]] = {
    "imagenet-1001": imagenet,
    "imagenet-1000": functools.partial(imagenet, background=False),
    "none": no_classes,
}


@functools.lru_cache(maxsize=1)
def class_names() -> tuple[ClassName, ...]:
    """All classes of `imagenet` in order of id: the background, then the synsets in sorted order.

    They come from `imagenet_classes.tsv`, which `scripts/make_imagenet_classes.py` makes.
    """
    table = importlib.resources.files("transforms.network").joinpath("imagenet_classes.tsv")
    _, *lines = table.read_text(encoding="utf-8").splitlines()
    return tuple(_class_name(line) for line in lines)


def _class_name(line: str) -> ClassName:
    class_id, synset, names = line.split("\t")
    return ClassName(int(class_id), synset, tuple(names.split(", ")))


def find_classes(text: str) -> tuple[ClassName, ...]:
    """As `Classes.find` among the classes of the published networks."""
    return imagenet().find(text)


def ambiguous(text: str, called: Sequence[ClassName]) -> str:
    """For messages: that a text means several classes, and which."""
    if any(each.synset is None for each in called):
        choices = " and ".join(str(each.class_id) for each in called)
        return f"{text!r} is the name of the classes {choices}; use the class id"
    choices = " and ".join(f"{each.class_id} ({each.synset})" for each in called)
    return f"{text!r} is the name of the classes {choices}; use the synset"


_SHOWN = 10
"""Classes that a message lists at most."""


def some_of(classes: Classes) -> str:
    """For messages: what the classes are called."""
    more = ", ..." if len(classes) > _SHOWN else ""
    return f"it has {', '.join(classes.labels[:_SHOWN])}{more}"


_NUMBERED = re.compile(r"(.+) \((\d+)\)")

# Marks keys without upper case; no name holds it.
_FOLDED = "\0"


def _folded(text: str) -> str:
    return _FOLDED + text.replace("_", " ").casefold()
