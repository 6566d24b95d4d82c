"""`quantlabel labels search`: the classes behind a word, by their names and by what they are."""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from transforms.errors import UserError
from transforms.network.classes import Classes, ClassName, imagenet
from transforms.network.wordnet import Synset, synset_members, synsets


@dataclasses.dataclass(frozen=True)
class Found:
    """What a word stands for.

    Attributes:
        classes: of the network.
        groups: kinds of thing in WordNet that are called so and have classes below them, the widest
            first. None of them is a class itself.
        class_ids: of the classes that are called so or belong to one of the groups, sorted.
    """

    classes: Classes
    groups: list[Synset]
    class_ids: list[int]

    def as_dict(self) -> dict[str, Any]:
        """The same as plain values that `json.dumps` takes."""
        return {
            "groups": [
                {"synset": group.synset, "names": group.names, "class_ids": group.class_ids}
                for group in self.groups
            ],
            "classes": [
                {
                    **self.classes[class_id]._asdict(),
                    "groups": [each.synset for each in self.groups if class_id in each.class_ids],
                }
                for class_id in self.class_ids
            ],
        }


def search(text: str, classes: Classes | None = None) -> Found:
    """Finds classes and groups of classes.

    Args:
        text: one or several words. A name matches if it holds all of them as whole words, whatever
            their case: `cat` finds `tabby cat`, not `cattle`. Or the synset of a class or group.
        classes: of the network; None for those of the published ones.

    Raises:
        UserError: nothing is called so; names what is called similarly.
    """
    classes = classes or imagenet()
    wanted = _words(text)
    groups = _groups(classes, wanted)
    class_ids = {name.class_id for name in classes if _matches(wanted, _called(name))}
    class_ids.update(*(group.class_ids for group in groups))
    if not wanted or not class_ids:
        raise UserError(f"labels search {text!r}: no class is called so.{_hint(text, classes)}")
    groups.sort(key=lambda group: (-len(group.class_ids), group.synset))
    return Found(classes, groups, sorted(class_ids))


def _groups(classes: Classes, wanted: set[str]) -> list[Synset]:
    """Kinds of thing above ImageNet's classes, by name; classes of one's own have none."""
    own = {name.synset for name in classes}
    return [
        synsets()[synset]._replace(class_ids=tuple(class_ids))
        for synset, class_ids in synset_members(classes).items()
        if synset not in own and _matches(wanted, (*synsets()[synset].names, synset))
    ]


def _called(name: ClassName) -> tuple[str, ...]:
    return (*name.names, name.synset) if name.synset else name.names


def _words(name: str) -> set[str]:
    return set(re.findall(r"\w+", name.casefold().replace("_", " ")))


def _matches(wanted: set[str], names: tuple[str, ...]) -> bool:
    return any(wanted <= _words(name) for name in names)


def _hint(text: str, classes: Classes) -> str:
    names = {name.casefold(): name for name in _all_names(classes)}
    close = difflib.get_close_matches(text.casefold(), names, n=3, cutoff=0.7)
    similar = ", ".join(names[name] for name in close)
    return f" Did you mean {similar}?" if similar else " Try a wider or more usual word."


def _all_names(classes: Classes) -> Iterator[str]:
    for each in classes:
        yield from each.names
    for synset in synset_members(classes):
        yield from synsets()[synset].names


def print_found(found: Found, *, console: Console) -> None:
    """Prints the groups and the classes as tables."""
    if found.groups:
        console.print(_groups_table(found))
        console.print()
    console.print(_classes_table(found))


def _groups_table(found: Found) -> Table:
    table = Table("group", "names", "classes", box=None, pad_edge=False)
    table.columns[2].justify = "right"
    for group in found.groups:
        table.add_row(group.synset, escape(", ".join(group.names)), str(len(group.class_ids)))
    return table


def _classes_table(found: Found) -> Table:
    table = Table("class", "synset", "names", "in groups", box=None, pad_edge=False)
    table.columns[0].justify = "right"
    for each in found.as_dict()["classes"]:
        names, groups = ", ".join(each["names"]), " ".join(each["groups"])
        table.add_row(str(each["class_id"]), each["synset"] or "", escape(names), groups)
    return table
