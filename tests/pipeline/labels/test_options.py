"""Which answers count as the truth."""

from __future__ import annotations

import pytest

from pipeline.labels.options import TruthOptions
from transforms.errors import UsageError


def test_one_truth_or_several() -> None:
    assert TruthOptions(truth="folders").truths == ("folders",)
    several = TruthOptions(truth=["a.csv", "b.json"])
    assert (several.truths, several.named) == (("a.csv", "b.json"), "a.csv, b.json")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"truth": ""}, "--truth: expected a table or the word folders, found ''"),
        ({"truth": ()}, "--truth: expected a table or the word folders"),
        ({"truth": "t.csv", "disagreement": "all"}, "expected one of leave-out, majority"),
        ({"truth": "t.csv", "truth_column": ""}, "--truth-column: expected a column, found ''"),
    ],
)
def test_what_cannot_work_is_refused(options: dict[str, str], expected: str) -> None:
    with pytest.raises(UsageError, match=expected):
        TruthOptions(**options)  # type: ignore[arg-type]
