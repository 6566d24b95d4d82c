"""`quantlabel labels search`, through the command line."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pipeline.cli import main


def _search(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    assert main(["labels", "search", "--json", *words]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_word_finds_names_and_groups(capsys: pytest.CaptureFixture[str]) -> None:
    found = _search(capsys, "CAT")
    assert [(group["synset"], len(group["class_ids"])) for group in found["groups"]] == [
        ("n02121620", 7),  # true cat
        ("n02127808", 6),  # big cat
        ("n02121808", 5),  # domestic cat
    ]
    ids = [each["class_id"] for each in found["classes"]]
    assert ids == [*range(282, 295), 384, 388]  # the last two only by name; no catamaran
    assert found["classes"][0] == {
        "class_id": 282,
        "synset": "n02123045",
        "names": ["tabby", "tabby cat"],
        "groups": ["n02121620", "n02121808"],
    }
    assert found["classes"][-1]["groups"] == []


def test_several_words_must_stand_in_one_name(capsys: pytest.CaptureFixture[str]) -> None:
    found = _search(capsys, "cat", "tiger")
    assert [each["class_id"] for each in found["classes"]] == [283]


def test_a_synset_is_a_word_too(capsys: pytest.CaptureFixture[str]) -> None:
    found = _search(capsys, "n02123045")
    assert (found["groups"], [each["class_id"] for each in found["classes"]]) == ([], [282])
    found = _search(capsys, "n02121620")
    assert [each["class_id"] for each in found["classes"]] == [*range(282, 288), 288]


def test_both_cranes_are_found(capsys: pytest.CaptureFixture[str]) -> None:
    found = _search(capsys, "crane")
    assert [each["synset"] for each in found["classes"]] == ["n02012849", "n03126707"]


def test_a_person_gets_tables(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["labels", "search", "toy_poodle"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert [line.split() for line in out] == [
        ["class", "synset", "names", "in", "groups"],
        ["266", "n02113624", "toy", "poodle"],
    ]


@pytest.mark.parametrize(
    ("word", "expected"),
    [("taby", "'taby': no class is called so. Did you mean tabby"), ("!", "Try a wider")],
)
def test_what_nothing_is_called_is_an_error(
    capsys: pytest.CaptureFixture[str], word: str, expected: str
) -> None:
    assert main(["labels", "search", word]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert expected in captured.err
    assert captured.err.count("\n") == 1
