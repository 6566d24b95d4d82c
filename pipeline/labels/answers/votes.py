"""Several answers for one picture: which counts, and how much people agree."""

from __future__ import annotations

import array
import datetime
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.labels.options import Disagreement

UNKNOWN = -1
"""In place of a number: nobody has said what the picture shows."""

NONE = -2
"""People say that none of the labels fits."""

DISPUTED = -3
"""People said different things."""

SKIPPED = -4
"""People were asked and passed the picture over, or named several things."""

_SHOWN = 50
"""Annotators that a summary lists."""

Numbers = npt.NDArray[np.int64]


class Settled(NamedTuple):
    """One label for each picture.

    Attributes:
        numbers: int64[n], of the first answer that each comes from, in the order they were added.
        keys: uint64[n], of the pictures, sorted.
        choices: int16[n].
        summary: who answered, what was left out and how much people agree, as plain values.
    """

    numbers: Numbers
    keys: npt.NDArray[np.uint64]
    choices: npt.NDArray[np.int16]
    summary: dict[str, Any]


class Votes:
    """Answers, some 30 bytes each.

    Of a person the latest answer for a picture counts. Answers without a name may be of anybody:
    the same one twice counts once and is no agreement, and two different ones are a dispute.
    """

    def __init__(self) -> None:
        self._keys, self._choices = array.array("Q"), array.array("h")
        self._people, self._rounds = array.array("i"), array.array("i")
        self._times = array.array("d")
        self._names: dict[str, int] = {"": 0}
        self._round_names: dict[str, int] = {}

    def __len__(self) -> int:
        """Answers so far."""
        return len(self._keys)

    def add(self, key: int, choice: int, *, annotator: str, round: str, time: str) -> None:
        """Takes an answer.

        Args:
            key: of the picture.
            choice: a label's number, or `NONE` or `SKIPPED`.
            annotator: who; empty if that is not known.
            round: in which, a name.
            time: ISO 8601; what is none counts as the earliest.
        """
        self._keys.append(key)
        self._choices.append(choice)
        self._people.append(self._names.setdefault(annotator, len(self._names)))
        self._rounds.append(self._round_names.setdefault(round, len(self._round_names)))
        self._times.append(_seconds(time))

    def settle(self, disagreement: Disagreement) -> Settled:
        """Decides picture by picture."""
        keys = np.frombuffer(self._keys, np.uint64)
        choices = np.frombuffer(self._choices, np.int16)
        people = np.frombuffer(self._people, np.int32)
        answered = choices != SKIPPED
        order, superseded = _latest(keys, choices, people, np.frombuffer(self._times), answered)
        starts = np.flatnonzero(np.diff(keys[order], prepend=~keys[order[:1]]))
        ends = np.append(starts[1:], len(order))
        first = order[starts] if len(order) else np.zeros(0, np.int64)
        result = choices[first].copy()
        several = np.flatnonzero(ends - starts > 1)
        agreement = _Agreement()
        disputed = decided = 0
        for at in several.tolist():
            group = order[starts[at] : ends[at]]
            agreement.add(people[group], choices[group])
            if len(set(choices[group].tolist())) > 1:
                choice = _decided(choices[group].tolist(), disagreement)
                result[at] = choice
                disputed += choice == DISPUTED
                decided += choice != DISPUTED
        skipped = np.setdiff1d(keys[~answered], keys[order])
        of_skipped = _first_of(keys, skipped)
        all_keys = np.concatenate([keys[first], skipped])
        sort = np.argsort(all_keys, kind="stable")
        summary = {
            "answers": len(order),
            "pictures": len(all_keys),
            "annotators": len(np.unique(people[order][people[order] > 0])),
            "superseded": superseded,
            "disagreement": disagreement,
            "disputed": disputed,
            "by_majority": decided,
            "none_of_these": int((result == NONE).sum()),
            "skipped": len(skipped),
            "agreement": agreement.as_dict(),
            "by_annotator": list(self._by_annotator(order)),
        }
        found = np.concatenate([result, np.full(len(skipped), SKIPPED, np.int16)])
        return Settled(
            np.concatenate([first, of_skipped])[sort], all_keys[sort], found[sort], summary
        )

    def _by_annotator(self, order: Numbers) -> Iterator[dict[str, Any]]:
        """Who gave how many of the answers that count, in which round; most first."""
        people, rounds = (np.frombuffer(each, np.int32) for each in (self._people, self._rounds))
        counts = Counter(zip(people[order].tolist(), rounds[order].tolist(), strict=True))
        names, round_names = list(self._names), list(self._round_names)
        most_first = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        for (person, round), count in most_first[:_SHOWN]:
            yield {"annotator": names[person], "round": round_names[round], "answers": count}


def _latest(
    keys: npt.NDArray[np.uint64],
    choices: npt.NDArray[np.int16],
    people: npt.NDArray[np.int32],
    times: npt.NDArray[np.float64],
    answered: npt.NDArray[np.bool_],
) -> tuple[Numbers, int]:
    """Positions of the answers that count, by picture; and how many another answer replaced."""
    here = np.flatnonzero(answered)
    nobody = people[here] == 0
    by = np.where(nobody, choices[here], times[here])
    order = here[np.lexsort((here, by, people[here], keys[here]))]
    same = (keys[order][1:] == keys[order][:-1]) & (people[order][1:] == people[order][:-1])
    named, equal = people[order][1:] > 0, choices[order][1:] == choices[order][:-1]
    replaced = np.append(same & (named | equal), False)[: len(order)]
    later = int((same & named & ~equal).sum())
    return order[~replaced], later


def _first_of(keys: npt.NDArray[np.uint64], wanted: npt.NDArray[np.uint64]) -> Numbers:
    """The first position of each wanted key."""
    order = np.argsort(keys, kind="stable")
    return np.asarray(order[np.searchsorted(keys[order], wanted)], np.int64)


def _decided(choices: Sequence[int], disagreement: Disagreement) -> int:
    if disagreement == "majority":
        choice, votes = Counter(choices).most_common(1)[0]
        if 2 * votes > len(choices):
            return choice
    return DISPUTED


class _Agreement:
    """Counts pictures with answers of two named people or more."""

    def __init__(self) -> None:
        self._pairs: list[tuple[list[int], list[int]]] = []

    def add(self, people: npt.NDArray[np.int32], choices: npt.NDArray[np.int16]) -> None:
        named = people > 0
        if named.sum() > 1:
            self._pairs.append((people[named].tolist(), choices[named].tolist()))

    def as_dict(self) -> dict[str, Any] | None:
        """The share of pairs of answers that agree, and how far that is above chance."""
        if not self._pairs:
            return None
        observed = sum(_agreeing(choices) for _, choices in self._pairs) / len(self._pairs)
        people = {person for those, _ in self._pairs for person in those}
        expected = self._cohen() if len(people) == 2 else self._fleiss()
        return {
            "pictures": len(self._pairs),
            "unanimous": sum(len(set(choices)) == 1 for _, choices in self._pairs),
            "agreed": observed,
            "kappa": (observed - expected) / (1 - expected) if expected < 1 else None,
            "kappa_of": "Cohen" if len(people) == 2 else "Fleiss",
        }

    def _cohen(self) -> float:
        """Agreement by chance of two people with these habits (Cohen 1960)."""
        sides: dict[int, Counter[int]] = {}
        for people, choices in self._pairs:
            for person, choice in zip(people, choices, strict=True):
                sides.setdefault(person, Counter())[choice] += 1
        one, other = sides.values()
        return sum(one[choice] * other[choice] for choice in one) / len(self._pairs) ** 2

    def _fleiss(self) -> float:
        """Agreement by chance if all have the same habits (Fleiss 1971)."""
        counts = Counter(choice for _, choices in self._pairs for choice in choices)
        return sum(count**2 for count in counts.values()) / counts.total() ** 2


def _agreeing(choices: Sequence[int]) -> float:
    """The share of pairs of answers that are the same."""
    count = len(choices)
    same = sum(votes * (votes - 1) for votes in Counter(choices).values())
    return same / (count * (count - 1))


def _seconds(time: str) -> float:
    try:
        when = datetime.datetime.fromisoformat(time)
    except ValueError:
        return 0.0
    return (when if when.tzinfo else when.replace(tzinfo=datetime.UTC)).timestamp()
