"""Values that cannot work are refused by every command before it reads anything."""

from __future__ import annotations

import pytest

from pipeline.cli import main

_ON_A_RUN = (
    ["duplicates"],
    ["evaluate", "--truth=folders"],
    ["export", "--to=csv"],
    ["head", "apply"],
    ["head", "fit", "--truth=folders"],
    ["report"],
    ["review"],
    ["search", "--like=a.jpg"],
    ["verify"],
    ["view"],
)


@pytest.mark.parametrize("words", _ON_A_RUN, ids=" ".join)
def test_an_empty_folder_is_a_mistake_of_the_call(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, ""]) == 2
    expected = "quantlabel: DIR: expected the output folder of a run, found ''\n"
    assert capsys.readouterr().err == expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["duplicates", "x", "--threshold=0"], "--threshold: expected a cosine above 0"),
        (["evaluate", "x", "--truth="], "--truth: expected a table or the word folders, found ''"),
        (["export", "x", "--to=pdf"], "--to: expected one of label-studio, "),
        (["head", "apply", "x", "--head="], "--head: expected a file, found ''"),
        (["head", "fit", "x", "--truth="], "--truth: expected a table or the word folders"),
        (["head", "fit", "x", "--truth=t", "--output="], "--output: expected a file, found ''"),
        (["report", "x", "--max-pictures=-1"], "--max-pictures: expected 0 or a positive number"),
        (["review", "x", "--budget=0"], "--budget: expected a number of pictures from 1, found 0"),
        (["search", "x", "--like="], "--like: expected a picture, found ''"),
        (["search", "x", "--like=a", "-k=0"], "-k: expected a number of results from 1 on"),
        (["verify", "x", "--sample=-1"], "--sample: expected 0 or more pictures, found -1"),
        (["view", "x", "--port=65536"], "--port: expected a port, 0 to 65535, found 65536"),
        (["view", "x", "--model="], "--model: expected a model, found ''"),
    ],
)
def test_a_value_that_cannot_work_is_named(
    words: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    message = capsys.readouterr().err
    assert message.startswith(f"quantlabel: {expected}")
    assert message.count("\n") == 1
