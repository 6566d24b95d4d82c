"""Makes `wordnet_hypernyms.tsv`, what the classes are kinds of, from WordNet 3.0.

    python -m scripts.make_wordnet_hypernyms DATA_NOUN

DATA_NOUN is the file `data.noun` of WordNet 3.0 (the ids of ImageNet are its offsets; those of 3.1
are others). Debian has it in the package wordnet-base:

    apt-get download wordnet-base && dpkg-deb -x wordnet-base_*.deb wordnet
    python -m scripts.make_wordnet_hypernyms wordnet/usr/share/wordnet/data.noun
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from transforms.network.classes import class_names

TABLE = Path(__file__).resolve().parent.parent / "transforms" / "network" / "wordnet_hypernyms.tsv"

_HYPERNYMS = ("@", "@i")
"""Pointer symbols for "is a kind of" and "is an instance of": wninput(5WN)."""


class Noun(NamedTuple):
    """A synset of nouns.

    Attributes:
        names: its words, the usual one first.
        parents: ids of the synsets that it is a kind of.
    """

    names: list[str]
    parents: list[str]


def table(data_noun: Path) -> str:
    """The content of the table.

    Args:
        data_noun: the file of WordNet 3.0, in the format of wndb(5WN).

    Returns:
        A heading and a line for each class of ILSVRC-2012 and all their ancestors, sorted by id:
        synset, parents (by spaces) and names (by a comma and a space), separated by tabs. The names
        of the classes stand in `imagenet_classes.tsv` and are left out.

    Raises:
        ValueError: a class is not in the file: it is of another version of WordNet.
    """
    lines = data_noun.read_text(encoding="latin-1").splitlines()
    nouns = dict(_noun(line) for line in lines if not line.startswith("  "))
    classes = {name.synset for name in class_names()[1:] if name.synset}
    if missing := sorted(classes - nouns.keys()):
        raise ValueError(
            f"{data_noun}: {len(missing)} classes are missing, {missing[0]} first; expected 3.0"
        )
    found = sorted(_with_ancestors(classes, nouns))
    return "synset\tparents\tnames\n" + "".join(
        _line(synset, nouns[synset], named=synset not in classes) for synset in found
    )


def _line(synset: str, noun: Noun, *, named: bool) -> str:
    names = ", ".join(noun.names) if named else ""
    return f"{synset}\t{' '.join(noun.parents)}\t{names}\n"


def _noun(line: str) -> tuple[str, Noun]:
    """One line of data.noun: offset, file, type, words counted in hexadecimal, pointers."""
    offset, _, _, count, *fields = line.partition(" | ")[0].split()
    words = 2 * int(count, 16)
    pointers = fields[words + 1 :]
    parents = [
        f"n{pointers[at + 1]}" for at in range(0, len(pointers), 4) if pointers[at] in _HYPERNYMS
    ]
    return f"n{offset}", Noun([word.replace("_", " ") for word in fields[:words:2]], parents)


def _with_ancestors(synsets: Iterable[str], nouns: Mapping[str, Noun]) -> set[str]:
    found: set[str] = set()
    waiting = list(synsets)
    while waiting:
        synset = waiting.pop()
        if synset not in found:
            found.add(synset)
            waiting += nouns[synset].parents
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Writes the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data_noun", type=Path, help="data.noun of WordNet 3.0")
    data_noun: Path = parser.parse_args(arguments).data_noun
    TABLE.write_text(table(data_noun), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
