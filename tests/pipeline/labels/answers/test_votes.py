"""Several answers for one picture."""

from __future__ import annotations

from typing import Any

import pytest
from sklearn.metrics import cohen_kappa_score

from pipeline.labels.answers.votes import DISPUTED, NONE, SKIPPED, Settled, Votes
from pipeline.labels.options import Disagreement


def _settled(*answers: tuple[int, int, str], how: Disagreement = "leave-out") -> Settled:
    """Of answers (picture, label, person), each later than the one before."""
    votes = Votes()
    for at, (key, choice, who) in enumerate(answers):
        votes.add(key, choice, annotator=who, round="1", time=f"2026-01-01T00:00:{at:02d}Z")
    return votes.settle(how)


def _choices(settled: Settled) -> dict[int, int]:
    return dict(zip(settled.keys.tolist(), settled.choices.tolist(), strict=True))


def _agreement(settled: Settled) -> dict[str, Any]:
    found: dict[str, Any] = settled.summary["agreement"]
    return found


def test_the_latest_answer_of_a_person_counts() -> None:
    settled = _settled((9, 1, "ann"), (9, 2, "ann"), (7, 3, "ann"))
    assert _choices(settled) == {7: 3, 9: 2}
    assert settled.numbers.tolist() == [2, 1]
    assert (settled.summary["superseded"], settled.summary["answers"]) == (1, 2)


def test_people_who_differ_are_left_out_or_outvoted() -> None:
    answers = [(1, 5, "ann"), (1, 5, "bob"), (1, 6, "cat"), (2, 5, "ann"), (2, 6, "bob")]
    settled = _settled(*answers)
    assert _choices(settled) == {1: DISPUTED, 2: DISPUTED}
    assert settled.summary["disputed"] == 2
    settled = _settled(*answers, how="majority")
    assert _choices(settled) == {1: 5, 2: DISPUTED}
    assert (settled.summary["disputed"], settled.summary["by_majority"]) == (1, 1)


def test_answers_without_a_name_agree_with_nobody() -> None:
    settled = _settled((1, 5, ""), (1, 5, ""), (2, 5, ""), (2, 6, ""))
    assert _choices(settled) == {1: 5, 2: DISPUTED}
    assert settled.summary["agreement"] is None
    assert settled.summary["answers"] == 3


def test_what_was_skipped_gives_way_to_an_answer() -> None:
    settled = _settled((1, SKIPPED, "ann"), (1, 5, "bob"), (2, SKIPPED, "ann"), (3, NONE, "ann"))
    assert _choices(settled) == {1: 5, 2: SKIPPED, 3: NONE}
    assert (settled.summary["skipped"], settled.summary["none_of_these"]) == (1, 1)
    assert settled.numbers.tolist() == [1, 2, 3]


def test_nothing_but_skipped() -> None:
    assert _choices(_settled((4, SKIPPED, "ann"))) == {4: SKIPPED}


def test_kappa_of_two_people_is_cohens() -> None:
    one, other = [1, 1, 2, 2, 3, 1, 2, 2, 3, 3], [1, 2, 2, 2, 3, 1, 1, 2, 3, 1]
    answers = [
        (key, choice, who)
        for who, choices in (("ann", one), ("bob", other))
        for key, choice in enumerate(choices)
    ]
    agreement = _agreement(_settled(*answers, (99, 1, "ann")))
    assert (agreement["pictures"], agreement["unanimous"], agreement["agreed"]) == (10, 7, 0.7)
    assert agreement["kappa_of"] == "Cohen"
    assert agreement["kappa"] == pytest.approx(cohen_kappa_score(one, other))


def test_kappa_of_many_people_is_fleiss() -> None:
    """The example of Fleiss (1971) as Wikipedia works it out: 14 people, 10 subjects, 0.210."""
    table = [
        (0, 0, 0, 0, 14), (0, 2, 6, 4, 2), (0, 0, 3, 5, 6), (0, 3, 9, 2, 0), (2, 2, 8, 1, 1),
        (7, 7, 0, 0, 0), (3, 2, 6, 3, 0), (2, 5, 3, 2, 2), (6, 5, 2, 1, 0), (0, 2, 2, 3, 7),
    ]  # fmt: skip
    answers = []
    for key, counts in enumerate(table):
        labels = [label for label, count in enumerate(counts) for _ in range(count)]
        answers += [(key, label, f"person {who}") for who, label in enumerate(labels)]
    agreement = _agreement(_settled(*answers))
    assert agreement["kappa_of"] == "Fleiss"
    assert agreement["kappa"] == pytest.approx(0.210, abs=0.0005)


def test_who_said_how_much_in_which_round() -> None:
    votes = Votes()
    for key, who, round in ((1, "ann", "1"), (2, "ann", "1"), (1, "bob", "2")):
        votes.add(key, 0, annotator=who, round=round, time="never")
    summary = votes.settle("leave-out").summary
    assert summary["by_annotator"] == [
        {"annotator": "ann", "round": "1", "answers": 2},
        {"annotator": "bob", "round": "2", "answers": 1},
    ]
    assert summary["annotators"] == 2
    assert _agreement(votes.settle("leave-out"))["kappa"] is None  # one label: nothing by chance
